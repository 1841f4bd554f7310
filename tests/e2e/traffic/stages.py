"""When a fleet of k replicas had come how far: the stages from the traffic that needs them to their serving.

A stage is reached for k when k replicas are at it or beyond it at the same time. Times are wall seconds.
"""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from replay.scenario import Scenario

NEED_SECONDS = 30.0  # the traffic of so long says how many replicas are needed; scenario time
STEP_SECONDS = 5.0
FIELDS = {"bound": "scheduled", "image there": "image_ready", "weights there": "weights_ready", "serving": "ready"}
LADDER = ("decided", "asked of the Deployment", "pod made", "node ready", *FIELDS)


@dataclass(frozen=True)
class Spread:
    """Of several figures. None: there are none."""

    median: float
    worst: float
    count: int


def needed(scenario: Scenario) -> dict[int, float]:
    """The first second at which each number of replicas is the least that carries what came in the last 30 s."""
    hardware = scenario.hardware
    sizes = zip(scenario.prompt_tokens, scenario.output_tokens, strict=True)
    work = np.array([hardware.work_seconds(prompt, output) for prompt, output in sizes])
    done = np.concatenate(([0.0], np.cumsum(work)))
    found: dict[int, float] = {}
    for at in np.arange(NEED_SECONDS, scenario.duration_seconds, STEP_SECONDS):
        first, last = np.searchsorted(scenario.arrival_s, (at - NEED_SECONDS, at))
        for replicas in range(1, math.ceil((done[last] - done[first]) / NEED_SECONDS) + 1):
            found.setdefault(replicas, float(at))
    return found


def first_reached(changes: Iterable[tuple[float, int]]) -> dict[int, float]:
    """When each number was first reached by a figure that took these values at these times."""
    found: dict[int, float] = {}
    for at, value in changes:
        for level in range(1, value + 1):
            found.setdefault(level, at)
    return found


def ladder(pods: Sequence[Mapping[str, Any]], node_ready: Mapping[str, float]) -> dict[str, dict[int, float]]:
    """By stage: when each number of replicas had first come so far. Pods are as the stand-in tells them."""

    def count(reached: Mapping[int, float | None]) -> dict[int, float]:
        came = [(at, 1) for at in reached.values() if at is not None]
        went = [
            (pod["deleted"], -1) for i, pod in enumerate(pods) if pod["deleted"] is not None and reached[i] is not None
        ]
        held, changes = 0, []
        for at, step in sorted([*came, *went]):
            held += step
            changes.append((at, held))
        return first_reached(changes)

    def with_node(pod: Mapping[str, Any]) -> float | None:
        ready = node_ready.get(pod["node"] or "")
        return None if ready is None or pod["created"] is None else max(ready, pod["created"])

    fields = {"pod made": "created", **FIELDS}
    found = {stage: count({i: pod[name] for i, pod in enumerate(pods)}) for stage, name in fields.items()}
    return found | {"node ready": count({i: with_node(pod) for i, pod in enumerate(pods)})}


def after_need(levels: Mapping[int, float], reached: Mapping[str, Mapping[int, float]]) -> dict[str, Spread | None]:
    """Seconds from the traffic's need for each level to every stage; below zero: before it."""
    return {
        stage: spread([reached[stage][level] - at for level, at in levels.items() if level in reached.get(stage, {})])
        for stage in LADDER
    }


def spread(figures: Sequence[float]) -> Spread | None:
    """Their middle and the largest."""
    return Spread(statistics.median(figures), max(figures), len(figures)) if figures else None


def lasted(pods: Sequence[Mapping[str, Any]], node_ready: Mapping[str, float]) -> dict[str, Spread | None]:
    """Seconds that each stage took, of the pods that came to serve; the first stage begins when the pod is made."""
    ways = [
        [pod["created"], max(pod["created"], node_ready[pod["node"]]), *(pod[name] for name in FIELDS.values())]
        for pod in pods
        if pod["ready"] is not None and pod["node"] in node_ready
    ]
    names = ("node ready", *FIELDS)
    return {name: spread([way[i + 1] - way[i] for way in ways]) for i, name in enumerate(names)}
