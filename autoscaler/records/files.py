"""A file of the state folder: read with its format number, refused as a whole, and never written by halves."""

import json
import os
from collections.abc import MutableSet
from pathlib import Path
from typing import Any


class RefusedError(Exception):
    """A saved file cannot be used. `reason` is how the metric counts it."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def content(path: Path, kind: str, number: int, most_bytes: int) -> dict[str, Any]:
    """The JSON object in a file of this kind and format. Raises `RefusedError`."""
    try:
        with path.open("rb") as file:
            read = file.read(most_bytes + 1)
        if len(read) > most_bytes:
            raise RefusedError("unreadable", f"{path.name} has more than {most_bytes} bytes, which no {kind} has")
        data = json.loads(read.decode())
    except (OSError, ValueError, RecursionError) as error:
        raise RefusedError("unreadable", f"{path.name} cannot be read: {error}") from error
    written = data.get("format") if isinstance(data, dict) else None
    if type(written) is not int or written != number:
        found = "no format number" if written is None else f"format {written!r:.20}"
        raise RefusedError("format", f"{path.name} has {found}; this version reads format {number}")
    return dict(data)


def put(path: Path, text: str, part: Path, own: MutableSet[Path]) -> None:
    """Write a file by way of `part`. One that is not our `own` yet is kept aside. Raises OSError; then the old file stays."""
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if path not in own and path.exists():
        path.replace(bad(path))
    part.replace(path)
    own.add(path)


def bad(path: Path) -> Path:
    """Where a refused file is kept."""
    return path.with_name(path.name + ".bad")
