"""Reads a workload's history and reduces it to what its policy remembers of it: the work of a process of its own.

A week is 50,000 numbers, which take 0.2 s to read, parse and reduce. What reads them is imported only there.
"""

import asyncio
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autoscaler.sources.errors import SourceErrorKind
from autoscaler.sources.transport import FileTransport
from crds.workload import Target
from policies import backfill
from policies.model import Policy, Signal, State
from policies.series import FINISHED, GENERATION_TOKENS, PROMPT_TOKENS

if TYPE_CHECKING:
    from autoscaler.sources.history import ReadBack

MOST_WARNINGS, WARNING_LIMIT = 3, 200  # characters; a store that is away warns in every answer
MOSTLY = 0.9  # of the points: a few are unknown after each restart of a pod


@dataclass(frozen=True, slots=True)
class Question:
    """Whose history is asked for. The token and the CA are read from their files by the process that asks."""

    url: str
    transport: FileTransport
    namespace: str
    target: Target
    policy: Policy
    state: State  # without times in the future
    now_seconds: float


@dataclass(frozen=True, slots=True)
class Memory:
    """What a history leaves."""

    state: State  # after the history
    seconds: "array[float]" = field(default_factory=lambda: array("d"))  # the times at which demand is known ...
    replicas: "array[float]" = field(default_factory=lambda: array("d"))  # ... and demand at each
    problem: str = ""  # what is wrong with the history; empty if nothing is
    error: SourceErrorKind | None = None  # how it failed where it was not read as a whole


def read(question: Question) -> Memory:
    """Read one policy's history. Never raises for what Prometheus answers."""
    from autoscaler.sources import history  # noqa: PLC0415 - 0.2 s and 20 MB that only this process needs

    past = asyncio.run(
        history.read(
            question.url,
            question.namespace,
            question.target,
            question.now_seconds,
            with_running=question.policy.signal is Signal.CONCURRENCY,
            transport=question.transport,
        )
    )
    points = [each for each in past.points if each.at_seconds <= question.now_seconds]
    state, known = backfill.lived(question.policy, question.state, points)
    return Memory(
        state,
        array("d", (at_seconds for at_seconds, _ in known)),
        array("d", (replicas for _, replicas in known)),
        history_problem(past, len(known)),
        past.problem.kind if past.problem else None,
    )


def history_problem(past: "ReadBack", known: int) -> str:
    """What is wrong with a history of which `known` points were of use; empty where nothing is."""
    if past.problem:
        return str(past.problem)
    if past.warnings:
        shown = "; ".join(text[:WARNING_LIMIT] for text in past.warnings[:MOST_WARNINGS])
        return f"Prometheus warned that its answer may be incomplete: {shown}"
    if known < MOSTLY * len(past.points):
        return (
            f"demand is known for {known} of the {len(past.points)} minutes that Prometheus has; check that it keeps "
            f"{FINISHED}, {PROMPT_TOKENS} and {GENERATION_TOKENS}"
        )
    return ""
