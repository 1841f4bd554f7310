"""Small scenarios for tests, without randomness where it can be left out."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from policies.supply import ColdStart, Stage
from replay.scenario.scenario import L4_8B, Hardware, Scenario
from replay.traces.trace import Requests

START = 1_736_121_600.0


def exactly(seconds: float) -> Stage:
    """A stage that always takes as long."""
    return Stage(seconds, seconds)


# Node 70 s (of which 2 s reaction), image 200 s, weights 50 s, warm-up 100 s.
SURE = replace(
    L4_8B, cold_start=ColdStart(node=exactly(70), image=exactly(200), weights=exactly(50), warmup=exactly(100))
)


def scenario(
    arrivals: NDArray[np.float64] | list[float],
    prompt: int | NDArray[np.int64] = 100,
    output: int | NDArray[np.int64] = 50,
    *,
    hardware: Hardware = SURE,
    replicas: int = 1,
    duration: float = 3600.0,
    seed: int = 0,
) -> Scenario:
    arrival_s = np.asarray(arrivals, np.float64)
    return Scenario(
        name="test",
        start_seconds=START,
        duration_seconds=duration,
        requests=Requests(
            arrival_s,
            np.broadcast_to(np.asarray(prompt, np.int64), arrival_s.shape).copy(),
            np.broadcast_to(np.asarray(output, np.int64), arrival_s.shape).copy(),
        ),
        past=None,
        hardware=hardware,
        seed=seed,
        initial_replicas=replicas,
    )
