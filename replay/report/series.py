"""Demand and fleets over time, as means over equal steps."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from replay.scenario.scenario import Scenario


def edges(scenario: Scenario, steps: int) -> NDArray[np.float64]:
    """The borders of `steps` equal steps, in Unix seconds."""
    return scenario.start_seconds + np.linspace(0.0, scenario.duration_seconds, steps + 1)


def demand(scenario: Scenario, steps: int) -> NDArray[np.float64]:
    """Replicas that each step's arrivals take, with full batches: the work of their tokens over the step's length."""
    borders = edges(scenario, steps) - scenario.start_seconds
    requests, replicas = scenario.requests, scenario.hardware.replicas
    rows = np.searchsorted(requests.arrival_s, borders)
    rows[-1] = np.searchsorted(requests.arrival_s, borders[-1], side="right")  # the last step includes its end
    work = (
        replicas(int(requests.prompt_tokens[first:past].sum()), int(requests.output_tokens[first:past].sum()), seconds)
        for (first, past), seconds in zip(pairwise(rows.tolist()), np.diff(borders).tolist(), strict=True)
    )
    return np.fromiter(work, np.float64)


def means(seconds: NDArray[np.float64], values: NDArray[np.int64], borders: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means, between the borders, of what holds from each of `seconds` to the next and after the last for ever."""
    held = np.maximum(np.diff(np.append(seconds, max(borders[-1], seconds[-1]))), 0.0)
    ends = np.append(seconds, seconds[-1] + held[-1])
    total = np.concatenate(([0.0], np.cumsum(values * held)))
    return np.asarray(np.diff(np.interp(borders, ends, total)) / np.diff(borders))
