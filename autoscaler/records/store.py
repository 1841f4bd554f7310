"""Keeps every policy's state in one file of the state folder, so that a restart goes on where the last process stopped."""

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path

import structlog

from policies.codec import build, plain
from policies.errors import CodecError
from policies.model import State

NAME = "states.json"
_SAVING = threading.Lock()  # the last save, at the end, may meet one that a thread is still busy with

_log = structlog.get_logger(__name__)


def load(folder: Path | None) -> dict[str, State]:
    """The states that were saved, by policy. A file that cannot be read is told and left out: nothing falls without it."""
    if folder is None:
        return {}
    try:
        data = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return {name: build(State, state) for name, state in data.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, RecursionError, CodecError) as error:
        _log.error("checkpoint.unreadable", file=str(folder / NAME), error=str(error), instead="starting without it")
        return {}


def save(folder: Path, states: Mapping[str, State]) -> None:
    """Write all states at once: a reader finds the old file or the new one, never a half. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({name: plain(state) for name, state in states.items()}, allow_nan=False)
    part = folder / f"{NAME}.part"
    with _SAVING:
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(folder / NAME)
