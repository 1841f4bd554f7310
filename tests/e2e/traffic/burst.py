"""The burst of a scenario: how many replicas the traffic needs, by the trace alone."""

import math
from dataclasses import dataclass

import numpy as np

from replay.scenario.scenario import Scenario

NEED_SECONDS = 30.0  # the work that arrived in this time gives the replicas that are needed
STEP_SECONDS = 5.0


@dataclass(frozen=True)
class Burst:
    """The rise to the scenario's largest need. Scenario seconds, from second 0."""

    starts_seconds: float  # the last moment of the least need before the peak
    least: int  # replicas that are needed then
    levels: dict[int, float]  # when each larger number of replicas was needed first


def burst(scenario: Scenario) -> Burst:
    """The burst before the first peak."""
    needs = _needs(scenario)
    peak = max(range(len(needs)), key=lambda i: needs[i][1])
    least = min(replicas for _, replicas in needs[: peak + 1])
    start = max(i for i in range(peak + 1) if needs[i][1] == least)
    levels: dict[int, float] = {}
    for at, replicas in needs[start : peak + 1]:
        for level in range(least + 1, replicas + 1):
            levels.setdefault(level, at)
    return Burst(needs[start][0], least, levels)


def _needs(scenario: Scenario) -> list[tuple[float, int]]:
    """(scenario seconds, the fewest replicas that can serve the work of the last 30 s), at even intervals."""
    hardware = scenario.hardware
    requests = scenario.requests
    sizes = zip(requests.prompt_tokens, requests.output_tokens, strict=True)
    work = np.array([hardware.work_seconds(prompt, output) for prompt, output in sizes])
    done = np.concatenate(([0.0], np.cumsum(work)))
    found = []
    for at in np.arange(NEED_SECONDS, scenario.duration_seconds, STEP_SECONDS):
        first, last = np.searchsorted(requests.arrival_s, (at - NEED_SECONDS, at))
        found.append((float(at), math.ceil((done[last] - done[first]) / NEED_SECONDS)))
    return found
