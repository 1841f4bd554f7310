"""Keeps what was learned of cold starts, so that a restart goes on with it.

    STATE_DIR/cold-starts.json       {"format": N, "ledger": {"rows": [...]}}
    STATE_DIR/cold-starts.json.bad   the last one that was refused

It is read, refused and written apart from the states of the policies (`store`): either may be lost without the other.
"""

import asyncio
import contextlib
import threading
from pathlib import Path

import structlog

from autoscaler.records.files import RefusedError, bad, content, put
from policies.codec import build, encode, plain
from policies.errors import CodecError
from policies.ledger import Ledger, Saved, restored, saved

FORMAT = 1
NAME = "cold-starts.json"
# The most that a ledger can take: 11 parts, 4,096 keys, 2.3 kB each with the longest keys. 300 bytes are usual.
MOST_BYTES = 128 << 20

_log = structlog.get_logger(__name__)


class LedgerFile:
    """One file in the state folder. Without a folder nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / NAME
        self._own: set[Path] = set()  # see FileStore
        self._kept: Ledger | None = None
        self._saving = threading.Lock()  # see FileStore

    async def load(self) -> tuple[Ledger, str]:
        """What was saved, in a thread; an empty ledger, and why, if it cannot be used."""
        return (Ledger(), "") if self._path is None else await asyncio.to_thread(self._load, self._path)

    async def save(self, ledger: Ledger) -> str:
        """Write it, in a thread, if it is another one than before. Gives why it was not saved; what was saved before stays."""
        return "" if self._path is None else await asyncio.to_thread(self._save, self._path, ledger)

    def _load(self, path: Path) -> tuple[Ledger, str]:
        try:
            ledger = read(path)
        except RefusedError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return Ledger(), ""
            _log.error(
                "ledger.refused", file=str(path), error=str(error), kept_as=bad(path).name, instead="learning anew"
            )
            with contextlib.suppress(OSError):  # then the first save tries again, or fails
                path.replace(bad(path))
            return Ledger(), str(error)
        self._own.add(path)
        self._kept = ledger
        return ledger, ""

    def _save(self, path: Path, ledger: Ledger) -> str:
        with self._saving:
            if ledger is self._kept:
                return ""
            try:
                text = encode({"format": FORMAT, "ledger": plain(saved(ledger))})
                path.parent.mkdir(parents=True, exist_ok=True)
                put(path, text, path.with_suffix(".part"), self._own)
            except (OSError, ValueError) as error:
                return str(error) or type(error).__name__
            self._kept = ledger
            return ""


def read(path: Path) -> Ledger:
    """A saved ledger. Raises `RefusedError`."""
    data = content(path, "ledger", FORMAT, MOST_BYTES)
    try:
        return restored(build(Saved, data["ledger"]))
    except (KeyError, CodecError, RecursionError) as error:
        raise RefusedError("invalid", f"{path.name} does not contain a valid ledger: {error!s:.200}") from error
