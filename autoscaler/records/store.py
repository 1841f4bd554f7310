"""Keeps the state of every policy and every pool, so that a restart goes on where the last process stopped.

    STATE_DIR/chat%2Fqwen.json       {"format": N, "policy": "chat/qwen", "state": {...}}
    STATE_DIR/chat%2Fqwen.json.bad   the last file of that policy that was refused
    STATE_DIR/pool%3Ah100.json       {"format": N, "pool": "h100", "state": {...}}

Each stands alone: a state that cannot be read or written costs no other policy or pool its own. Not here: the decision log
(`writer`), and when states are saved (`saver`).
"""

import asyncio
import contextlib
import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote

import structlog

from autoscaler.records.files import RefusedError, bad, content, put
from autoscaler.telemetry.metrics import POOL_STATE_REFUSED, STATE_REFUSED
from policies.codec import build, encode, plain
from policies.errors import CodecError
from policies.model import State
from policies.pool import PoolState

FORMAT = 3
POOL_FORMAT = 1
SUFFIX = ".json"
SEPARATOR = quote("/", safe="")  # of namespace and name: a file without it is no policy's
POOL = "pool:"  # before the name of a pool; no namespace has a colon
OLDER = "states.json"  # of a version that kept all policies in one file
MOST_BYTES = 1 << 20  # of one state; one takes 3 kB
NAME_LIMIT = 220  # characters; a file's name may have 255, a namespace and a name together 319

_NONE: Mapping[str, PoolState] = {}
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Loaded:
    """What was saved, by policy (namespace/name)."""

    states: Mapping[str, State] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)  # why a state cannot be used
    older: str = ""  # why none of an older version can be used, whichever policy it is of
    pools: Mapping[str, PoolState] = field(default_factory=dict)  # by the pool's name
    refused_pools: Mapping[str, str] = field(default_factory=dict)  # why a pool's state cannot be used


class StateStore(Protocol):
    """Where states outlive the process. Neither method raises for a state, or for a store that does not answer."""

    async def load(self) -> Loaded:
        """Read every state. Those that are refused are logged, counted, and kept where no save overwrites them."""

    async def save(self, states: Mapping[str, State], pools: Mapping[str, PoolState] = _NONE) -> Mapping[str, str]:
        """Keep exactly these states. Gives, by policy, why one was not saved, and for pools by `pool:` and the name.

        What was saved of it before stays.
        """


class FileStore:
    """A folder with one file for each policy and each pool. Without a folder nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._own: set[Path] = set()  # files whose content was read or written here: only these may be replaced
        self._saving = threading.Lock()  # the last save, at the end, may meet one that a thread is still busy with

    async def load(self) -> Loaded:
        """Read every state, in a thread."""
        return Loaded() if self._folder is None else await asyncio.to_thread(self._load, self._folder)

    async def save(self, states: Mapping[str, State], pools: Mapping[str, PoolState] = _NONE) -> Mapping[str, str]:
        """Write every state, in a thread. A reader finds the old file or the new one, never a half."""
        if self._folder is None:
            return {}
        of_pools = {POOL + name: state for name, state in pools.items()}
        return await asyncio.to_thread(self._save, self._folder, {**states, **of_pools})

    def _load(self, folder: Path) -> Loaded:
        states: dict[str, State] = {}
        pools: dict[str, PoolState] = {}
        refused: dict[str, str] = {}
        refused_pools: dict[str, str] = {}
        try:
            paths = sorted(path for path in folder.iterdir() if _is_state(path))
            older = _older(folder)
        except FileNotFoundError:
            return Loaded()
        except OSError as error:
            _log.error("state.folder_unreadable", folder=str(folder), error=str(error), instead="starting without it")
            return Loaded()
        for path in paths:
            try:
                name, state = read(path)
            except RefusedError as error:
                name = unquote(path.stem)
                if name.startswith(POOL):
                    refused_pools[name.removeprefix(POOL)] = str(error)
                    POOL_STATE_REFUSED.labels(pool=name.removeprefix(POOL), reason=error.reason).inc()
                else:
                    refused[name] = str(error)
                    STATE_REFUSED.labels(policy=name, reason=error.reason).inc()
                _log.error("state.refused", policy=name, file=str(path), error=str(error), kept_as=bad(path).name)
                with contextlib.suppress(OSError):  # then the first save of that policy tries again, or fails
                    path.replace(bad(path))
            else:
                if isinstance(state, PoolState):
                    pools[name.removeprefix(POOL)] = state
                else:
                    states[name] = state
                self._own.add(path)
        return Loaded(states, refused, older, pools, refused_pools)

    def _save(self, folder: Path, states: Mapping[str, State | PoolState]) -> dict[str, str]:
        with self._saving:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                return dict.fromkeys(states, str(error))
            problems: dict[str, str] = {}
            for name, state in states.items():
                try:
                    self._write(folder / file_name(name), name, state)
                except Exception as error:  # noqa: BLE001 - whatever is wrong with one state, the others are saved
                    problems[name] = str(error) or type(error).__name__
            for gone in self._own - {folder / file_name(name) for name in states}:
                with contextlib.suppress(OSError):
                    gone.unlink(missing_ok=True)
                    self._own.remove(gone)
            return problems

    def _write(self, path: Path, name: str, state: State | PoolState) -> None:
        put(path, _text(name, state), path.with_name("saving.part"), self._own)


def file_name(of: str) -> str:
    """The file name of a policy, or of `pool:` and a pool's name: no other has it, and it never leads out of the folder."""
    name = quote(of, safe="")
    if len(name) > NAME_LIMIT:
        name = f"{name[:NAME_LIMIT]}-{hashlib.sha256(of.encode()).hexdigest()[:16]}"
    return name + SUFFIX


def _is_state(path: Path) -> bool:
    """Whether `file_name` may have given this name. Of any other, the bytes may be no text, and no metric could name it."""
    name = path.stem
    ours = SEPARATOR in name or name.startswith(quote(POOL, safe=""))
    return path.suffix == SUFFIX and ours and name.isascii() and quote(unquote(name), safe="") == name


def _text(name: str, state: State | PoolState) -> str:
    """What is written. Raises ValueError for what no later start could read."""
    whose = {"format": FORMAT, "policy": name}
    if isinstance(state, PoolState):
        whose = {"format": POOL_FORMAT, "pool": name.removeprefix(POOL)}
    try:
        text = encode({**whose, "state": plain(state)})
    except ValueError as error:  # of NaN, infinities, and integers of thousands of digits
        raise ValueError(f"the state contains a number that cannot be written: {error}") from error
    if len(text) > MOST_BYTES:
        raise ValueError(f"the state takes {len(text)} bytes, more than the {MOST_BYTES} that are read at a start")
    return text


def read(path: Path) -> tuple[str, State | PoolState]:
    """A policy and its state, or `pool:` and the name of a pool and its state. Raises `RefusedError`."""
    is_pool = unquote(path.name).startswith(POOL)
    data = content(path, "state", POOL_FORMAT if is_pool else FORMAT, MOST_BYTES)
    state: State | PoolState
    try:
        name = data["pool" if is_pool else "policy"]
        state = build(PoolState, data["state"]) if is_pool else build(State, data["state"])
    except (KeyError, CodecError, RecursionError) as error:
        raise RefusedError("invalid", f"{path.name} does not contain a valid state: {error!s:.200}") from error
    of = f"{POOL if is_pool else ''}{name}"
    if not isinstance(name, str) or not name.isprintable() or file_name(of) != path.name:
        another = "pool" if is_pool else "policy"
        raise RefusedError("invalid", f"{path.name} holds the state of another {another}: {name!r:.200}")
    return of, state


def _older(folder: Path) -> str:
    """Put the file of an older version aside, if there is one. Gives why its states cannot be used."""
    path = folder / OLDER
    if not path.exists():
        return ""
    with contextlib.suppress(OSError):
        path.replace(bad(path))
    why = f"{OLDER} was written by an older version, which kept all policies in one file; this version reads format {FORMAT}"
    _log.error("state.refused", file=str(path), error=why, kept_as=bad(path).name)
    return why
