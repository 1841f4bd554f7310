"""Writes the decision log: JSON lines that `explain` and `redecide` read. A full disk costs the log, never a decision."""

import contextlib
import math
import platform
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import structlog

from autoscaler.settings import DECISION_LOG_BYTES
from autoscaler.telemetry.metrics import DECISION_LOG_ERRORS
from policies.log import LogWriter, start_line
from policies.model import Inputs, Policy, State, StepResult
from policies.pool import Pool, PoolInputs, PoolResult, PoolState
from policies.starts import Start
from policies.supply import ColdStart

FILES_KEPT = 8

_log = structlog.get_logger(__name__)


class Recorder:
    """Appends to one file of a folder at a time; the oldest files go. Without a folder nothing is written.

    Of `max_seconds` and `max_bytes`, what is reached first says how much is kept.
    """

    def __init__(self, folder: Path | None, max_bytes: int = DECISION_LOG_BYTES, max_seconds: float = math.inf) -> None:
        self._folder = folder
        self._file_bytes = max_bytes // FILES_KEPT
        self._file_seconds = max_seconds / FILES_KEPT
        self._ends_seconds = math.inf  # when the file has to make place for the next
        self._file: TextIO | None = None
        self._written = 0  # characters, which are bytes: all but ASCII is escaped
        self._log = LogWriter(f"{platform.platform()} Python {platform.python_version()}")
        self._broken = False

    def record(self, policy: Policy, before: State, inputs: Inputs, result: StepResult) -> None:
        """Write one decision, with the state before it where folding has to start anew."""
        self._append(inputs.now_seconds, lambda: self._log.decided(policy, before, inputs, result))

    def record_pool(self, pool: Pool, before: PoolState, inputs: PoolInputs, result: PoolResult) -> None:
        """Write one decision of a pool, as `record` does of a policy."""
        self._append(inputs.now_seconds, lambda: self._log.allocated(pool, before, inputs, result))

    def start(self, policy: str, start: Start, now_seconds: float, prior: ColdStart | None = None) -> None:
        """Write one start of a replica of a policy (namespace/name) that has ended, and what was assumed before any was seen."""
        self._append(now_seconds, lambda: [start_line(policy, start, prior)])

    def _append(self, now_seconds: float, encoded: Callable[[], list[str]]) -> None:
        if self._folder is None:
            return
        try:
            file = self._open(now_seconds)
            for line in encoded():
                self._write(file, line)
            file.flush()
            self._broken = False
        except (OSError, ValueError) as error:  # a full disk, or a number that is not finite
            DECISION_LOG_ERRORS.inc()
            if not self._broken:
                _log.error("recorder.failed", folder=str(self._folder), error=str(error))
            self._broken = True
            self.close()  # its last line may be torn, and a decision is missing: the next file opens with all states

    def close(self) -> None:
        """End the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None

    def _open(self, now_seconds: float) -> TextIO:
        if self._file is not None and self._written < self._file_bytes and now_seconds < self._ends_seconds:
            return self._file
        self.close()
        folder = self._folder or Path()
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"decisions-{now_seconds:014.3f}.jsonl"
        file = path.open("x", encoding="utf-8")
        try:
            file.write(self._log.opening() + "\n")
            file.flush()
        except OSError:
            path.unlink()  # or a full disk would trade full logs for empty ones
            with contextlib.suppress(OSError):
                file.close()
            raise
        # The new one stays, also where others bear the names of a clock that is ahead of this one.
        others = sorted(other for other in folder.glob("decisions-*.jsonl") if other != path)
        for old in others[: -FILES_KEPT + 1]:
            old.unlink()
        self._file, self._written, self._ends_seconds = file, 0, now_seconds + self._file_seconds
        return file

    def _write(self, file: TextIO, line: str) -> None:
        file.write(line + "\n")
        self._written += len(line) + 1
