"""Reads decision logs: finds their files, and explains the decisions of a policy or at a time."""

import contextlib
import gzip
import io
import json
import math
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, TextIO, TypeVar

from crds.notation.timestamps import timestamp, unix_seconds
from policies.codec import plain
from policies.cold_start_text import coming
from policies.errors import LogError
from policies.explain import explain
from policies.log import NONSENSE, Decision, decisions
from policies.model import Plan
from policies.residual import starting

T = TypeVar("T")
STDIN = Path("-")
DECISION = '"kind":"decision"'  # as it is written
GZIP = b"\x1f\x8b"
LINE_LIMIT_CHARACTERS = 64 * 2**20  # a state of 1,000 pods is under 1 MB


class BadTimeError(ValueError):
    """A text is no moment in time."""


@dataclass(frozen=True, slots=True)
class Explained:
    """One decision and its sentence."""

    file: Path
    time: str  # UTC, to the second
    policy: str
    decision: Decision
    sentence: str

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        decision = self.decision
        return {
            "time": self.time,
            "policy": self.policy,
            "why": self.sentence,
            "plan": plain(decision.plan),
            "demand": plain(decision.demand),
            "file": str(self.file),
            "line": decision.line,
        }


def select(logs: Iterable[Path], *, policy: str | None, at_seconds: float | None, every: bool) -> list[Explained]:
    """The decisions in force at a moment, or those that changed a number, or all. LogError for what cannot be read."""
    found: list[Explained] = []
    before: dict[str, Plan] = {}
    for file in files(logs):
        for decision in read(file, decisions):
            name = decision.policy.name
            if decision.plan is None or policy not in (None, name):
                continue
            if at_seconds is not None and decision.inputs.now_seconds > at_seconds:
                continue
            if at_seconds is not None or every or decision.plan.differs_from(before.get(name)):
                with damage(file, decision.line):
                    time, sentence = timestamp(decision.inputs.now_seconds), explain(decision.plan, before.get(name))
                found.append(Explained(file, time, name, decision, sentence))
            before[name] = decision.plan
    if at_seconds is None:
        return found
    return [_with_starting(each) for each in {each.policy: each for each in found}.values()]


def _with_starting(explained: Explained) -> Explained:
    """And when the replicas that were starting were expected to serve."""
    inputs = explained.decision.inputs
    if inputs.supply is None:
        return explained
    with damage(explained.file, explained.decision.line):
        text = coming(starting(inputs.supply, inputs.cold_start, inputs.now_seconds))
    return replace(explained, sentence=f"{explained.sentence} {text}") if text else explained


@contextlib.contextmanager
def damage(file: Path, line: int) -> Iterator[None]:
    """Raise LogError where the values of a line cannot be explained."""
    try:
        yield
    except (*NONSENSE, OSError) as error:
        why = repr(error) if isinstance(error, LookupError) or not str(error) else error  # a key alone says little
        raise LogError(f"{file}: line {line} has values that cannot be explained: {why}") from error


def parse_time(text: str) -> float:
    """Unix seconds of an ISO 8601 time (UTC where it names no zone) or of a number; BadTimeError for anything else."""
    with contextlib.suppress(ValueError):
        seconds = float(text)
        if math.isfinite(seconds):
            return seconds
    try:
        return unix_seconds(text)
    except ValueError:
        raise BadTimeError(f"{text!r} is not a time: write 2026-05-04T09:30:00Z or Unix seconds") from None


def read(file: Path, fold: Callable[[Iterable[str]], Iterator[T]]) -> Iterator[T]:
    """What `fold` (such as `policies.log.decisions`) gives for the lines of a file. Raises LogError with its path."""
    try:
        with _opened(file) as lines:
            yield from fold(iter(lambda: _line(lines), ""))
    except OSError as error:
        raise LogError(f"{file} cannot be read: {error.strerror or error}") from error
    except (LogError, UnicodeDecodeError, EOFError, zlib.error) as error:
        raise LogError(f"{file}: {error}") from error


def files(logs: Iterable[Path]) -> list[Path]:
    """The log files that are named or lie in the folders, each once, in order of time; `-` is standard input.

    Raises LogError for a folder without a log, and for `-` among others.
    """
    named = [file for log in logs for file in _files(log)]
    found = list({file.resolve(): file for file in named}.values())
    if STDIN in found and len(found) > 1:
        raise LogError("- reads standard input, and cannot be combined with files")
    # A pipe can be read once only, so that its first decision cannot be looked at before.
    return sorted(found, key=_first_seconds) if len(found) > 1 and all(map(Path.is_file, found)) else found


def last_seconds(found: list[Path]) -> float:
    """The time of the last decision of these files, as `files` gives them. Raises LogError where there is none."""
    if STDIN in found:
        raise LogError(
            "- can be read only once, so that its last decision is not known at the start; save it to a file"
        )
    newest: list[float] = []
    for folder in {file.parent for file in found}:  # in each, the last file that has one
        of_folder = (file for file in reversed(found) if file.parent == folder)
        newest += islice((seconds for file in of_folder for seconds in read(file, _newest)), 1)
    if not newest:
        raise LogError("the logs have no decision yet")
    return max(newest)


def within(found: list[Path], start_seconds: float | None, end_seconds: float | None) -> list[Path]:
    """Those of the files, as `files` gives them, that may have a decision between two times.

    In one folder a file ends before the next begins: one controller writes at a time.
    """
    if len(found) < 2 or (start_seconds is None and end_seconds is None):
        return found
    first = {file: _first_seconds(file) for file in found}
    chosen = []
    for at, file in enumerate(found):
        following = next((other for other in found[at + 1 :] if other.parent == file.parent), None)
        ended = start_seconds is not None and following is not None and first[following] <= start_seconds
        if not ended and (end_seconds is None or first[file] <= end_seconds):
            chosen.append(file)
    return chosen


def _newest(lines: Iterable[str]) -> Iterator[float]:
    """The time of the last whole decision. Only that line is parsed: a file may have 2 GB."""
    last = ""
    for line in lines:
        if DECISION in line and line.endswith("\n"):
            last = line
    if last:
        try:
            yield float(json.loads(last)["inputs"]["now_seconds"])
        except (KeyError, TypeError, ValueError) as error:
            raise LogError(f"the last line is not a line of a decision log: {error}") from error


def _files(log: Path) -> list[Path]:
    if not log.is_dir():
        return [log]
    found = sorted(file for file in log.glob("decisions-*.jsonl*") if file.suffix in {".jsonl", ".gz"})
    if not found:
        raise LogError(f"{log} has no decisions-*.jsonl; is it the folder given as --decision-log-dir?")
    return found


def _first_seconds(file: Path) -> float:
    """The time of the first decision, in Unix seconds; where it is in doubt the file comes last, and reading says why."""
    with contextlib.suppress(LogError):
        for decision in read(file, decisions):
            return decision.inputs.now_seconds
    return math.inf


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[TextIO]:
    """A text file, also where it is gzipped."""
    with contextlib.ExitStack() as stack:
        raw = sys.stdin.buffer if file == STDIN else stack.enter_context(file.open("rb"))
        zipped = isinstance(raw, io.BufferedReader) and raw.peek(2)[:2] == GZIP
        yield io.TextIOWrapper(gzip.GzipFile(fileobj=raw) if zipped else raw, encoding="utf-8")


def _line(lines: TextIO) -> str:
    line = lines.readline(LINE_LIMIT_CHARACTERS)
    if len(line) == LINE_LIMIT_CHARACTERS:
        raise LogError(f"a line is longer than {LINE_LIMIT_CHARACTERS >> 20} MiB; is this another file?")
    return line
