"""When the fleet reached each stage with k replicas, from the traffic that needs them to their serving.

A stage is reached for k when k replicas are at it or beyond it at the same time. Times are wall seconds; none is earlier
than `since_seconds`, the start of the burst.
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FIELDS = {"bound": "scheduled", "image there": "image_ready", "weights there": "weights_ready", "serving": "ready"}
LADDER = ("decided", "asked of the Deployment", "pod made", "node ready", *FIELDS)


@dataclass(frozen=True)
class Spread:
    """Median and worst of several figures."""

    median: float
    worst: float
    count: int


def first_reached(changes: Iterable[tuple[float, int]], since_seconds: float) -> dict[int, float]:
    """When a figure with these (time, value) changes first reached each number, from `since_seconds` on."""
    found: dict[int, float] = {}
    held = 0
    for at, value in changes:
        if at > since_seconds:
            found |= {level: since_seconds for level in range(1, held + 1) if level not in found}
            found |= {level: at for level in range(1, value + 1) if level not in found}
        held = value
    return found | {level: since_seconds for level in range(1, held + 1) if level not in found}


def ladder(
    pods: Sequence[Mapping[str, Any]], node_ready: Mapping[str, float], since_seconds: float
) -> dict[str, dict[int, float]]:
    """By stage: when each number of replicas first reached it. Pods are as the stand-in reports them."""

    def count(reached: Mapping[int, float | None]) -> dict[int, float]:
        came = [(at, 1) for at in reached.values() if at is not None]
        went = [
            (pod["deleted"], -1) for i, pod in enumerate(pods) if pod["deleted"] is not None and reached[i] is not None
        ]
        held, changes = 0, []
        for at, step in sorted([*came, *went]):
            held += step
            changes.append((at, held))
        return first_reached(changes, since_seconds)

    def with_node(pod: Mapping[str, Any]) -> float | None:
        ready = node_ready.get(pod["node"] or "")
        return None if ready is None or pod["created"] is None else max(ready, pod["created"])

    fields = {"pod made": "created", **FIELDS}
    found = {stage: count({i: pod[name] for i, pod in enumerate(pods)}) for stage, name in fields.items()}
    return found | {"node ready": count({i: with_node(pod) for i, pod in enumerate(pods)})}


def climbed(
    pods: Sequence[Mapping[str, Any]],
    node_ready: Mapping[str, float],
    asked: Iterable[tuple[float, int]],
    decided: Iterable[tuple[float, int]],
    since_seconds: float,
) -> dict[str, dict[int, float]]:
    """All stages. Polling twice a second may see a new number of replicas only after its first pod was created."""
    found = ladder(pods, node_ready, since_seconds)
    made = found["pod made"]
    seen = first_reached(asked, since_seconds)
    of_deployment = {level: min(at, made.get(level, at)) for level, at in seen.items()}
    return found | {"asked of the Deployment": of_deployment, "decided": first_reached(decided, since_seconds)}


def landings(
    decided: Sequence[tuple[float, int]], asked: Sequence[tuple[float, int]], end_seconds: float, within_seconds: float
) -> tuple[list[float], list[tuple[float, int]]]:
    """How long each decision took to reach the Deployment, and the decisions that lasted longer but never reached it.

    A decision that the Deployment had already, or that was replaced in time, counts as neither.
    """
    took, missed = [], []
    ends = [at for at, _ in decided[1:]] + [end_seconds]
    for (at, replicas), end in zip(decided, ends, strict=True):
        before = [value for when, value in asked if when <= at][-1:]
        met = next((when for when, value in asked if at <= when <= end and value == replicas), None)
        if met is not None:
            took.append(met - at)
        elif before != [replicas] and end - at >= within_seconds:
            missed.append((at, replicas))
    return took, missed


def after_need(levels: Mapping[int, float], reached: Mapping[str, Mapping[int, float]]) -> dict[str, Spread | None]:
    """Seconds from the traffic's need for each level to every stage; negative where the stage came first."""
    return {
        stage: spread([reached[stage][level] - at for level, at in levels.items() if level in reached.get(stage, {})])
        for stage in LADDER
    }


def spread(figures: Sequence[float]) -> Spread | None:
    """Median and largest; None without figures."""
    return Spread(statistics.median(figures), max(figures), len(figures)) if figures else None


def lasted(pods: Sequence[Mapping[str, Any]], node_ready: Mapping[str, float]) -> dict[str, Spread | None]:
    """Seconds that each stage took for pods that got to serve; the first stage starts with the pod's creation."""
    ways = [
        [pod["created"], max(pod["created"], node_ready[pod["node"]]), *(pod[name] for name in FIELDS.values())]
        for pod in pods
        if pod["ready"] is not None and pod["node"] in node_ready
    ]
    names = ("node ready", *FIELDS)
    return {name: spread([way[i + 1] - way[i] for way in ways]) for i, name in enumerate(names)}
