"""Reads decision logs: finds their files, and explains the decisions of a policy or at a time."""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from crds.notation.timestamps import timestamp, unix_seconds
from policies.codec import plain
from policies.errors import LogError
from policies.explain import explain
from policies.log import Decision, decisions
from policies.model import Plan

T = TypeVar("T")


class BadTimeError(ValueError):
    """A text is no moment in time."""


@dataclass(frozen=True, slots=True)
class Explained:
    """One decision and its sentence."""

    policy: str
    decision: Decision
    sentence: str

    @property
    def time(self) -> str:
        """UTC, to the second."""
        return timestamp(self.decision.inputs.now_seconds)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        decision = self.decision
        return {
            "time": self.time,
            "policy": self.policy,
            "why": self.sentence,
            "plan": plain(decision.plan),
            "demand": plain(decision.demand),
            "line": decision.line,
        }


def select(log: Path, *, policy: str | None, at_seconds: float | None, every: bool) -> list[Explained]:
    """The decisions in force at a moment, or those that changed a number, or all. OSError and LogError as they come."""
    found: list[Explained] = []
    before: dict[str, Plan] = {}
    for file in files(log):
        for decision in read(file, decisions):
            name = decision.policy.name
            if decision.plan is None or policy not in (None, name):
                continue
            if at_seconds is not None and decision.inputs.now_seconds > at_seconds:
                continue
            if at_seconds is not None or every or decision.plan.differs_from(before.get(name)):
                found.append(Explained(name, decision, explain(decision.plan, before.get(name))))
            before[name] = decision.plan
    if at_seconds is None:
        return found
    return list({explained.policy: explained for explained in found}.values())


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
    """What `fold` (such as `policies.log.decisions`) gives for the lines of a file. Raises OSError, and LogError with its path."""
    with file.open(encoding="utf-8") as lines:
        try:
            yield from fold(lines)
        except (LogError, UnicodeDecodeError) as error:
            raise LogError(f"{file}: {error}") from error


def files(log: Path) -> list[Path]:
    """A log file, or the log files of a folder in order of time. Raises LogError for a folder without any."""
    if not log.is_dir():
        return [log]
    found = sorted(log.glob("decisions-*.jsonl"))
    if not found:
        raise LogError(f"{log} has no decisions-*.jsonl; is it the folder given as --decision-log-dir?")
    return found
