"""Explains the decisions of a pool from decision logs: those at a time, or those that changed what it gives or holds."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoscaler.records.reader import damage, files, read
from crds.notation.timestamps import timestamp
from policies.codec import plain
from policies.log import Allocation, records
from policies.pool import PoolPlan
from policies.pool_explain import explain_pool

OF_POOL = ('"kind":"pool"', '"kind":"allocation"')  # as it is written


@dataclass(frozen=True, slots=True)
class ExplainedPool:
    """One decision of a pool and its sentences."""

    file: Path
    time: str  # UTC, to the second
    allocation: Allocation
    sentences: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "time": self.time,
            "pool": self.allocation.pool.name,
            "why": list(self.sentences),
            "plan": plain(self.allocation.plan),
            "file": str(self.file),
            "line": self.allocation.line,
        }


def select_pool(logs: Iterable[Path], pool: str, *, at_seconds: float | None, every: bool) -> list[ExplainedPool]:
    """The decision in force at a moment, or those that changed something, or all. LogError for what cannot be read."""
    found: list[ExplainedPool] = []
    before: PoolPlan | None = None
    for file in files(logs):
        for allocation in read(file, lambda lines: _allocations(lines, pool)):
            if at_seconds is not None and allocation.inputs.now_seconds > at_seconds:
                continue
            if at_seconds is not None or every or _differs(allocation.plan, before):
                explained = _explained(file, allocation)
                found = [explained] if at_seconds is not None else [*found, explained]
            before = allocation.plan
    return found


def _allocations(lines: Iterable[str], pool: str) -> Iterator[Allocation]:
    """Of one pool. Other lines are passed over unparsed, and counted."""
    name = f'"name":"{pool}"'
    needed = (
        line if number == 0 or (name in line and any(kind in line for kind in OF_POOL)) else "\n"
        for number, line in enumerate(lines)
    )
    for record in records(needed):
        if isinstance(record, Allocation) and record.pool.name == pool:
            yield record


def _explained(file: Path, allocation: Allocation) -> ExplainedPool:
    with damage(file, allocation.line):
        sentences = explain_pool(allocation.pool, allocation.plan)
        return ExplainedPool(file, timestamp(allocation.inputs.now_seconds), allocation, sentences)


def _differs(plan: PoolPlan, before: PoolPlan | None) -> bool:
    """Whether a grant, a refusal, the standby or a claim is another."""
    return before is None or _decided(plan) != _decided(before)


def _decided(plan: PoolPlan) -> object:
    grants = [(each.workload, each.grant, each.refusal, each.ended_hold_for) for each in plan.grants]
    return grants, plan.standby_nodes, plan.claims
