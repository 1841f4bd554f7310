"""How many requests a second of wall time the simulated cluster serves, on one core: `python -m benchmarks.sim`.

The shipped sample's last day, and a large fleet, each driven as a policy drives it: every 15 s all replicas are sampled
and the target is scaled to a figure that moves with the traffic. Prints one line of JSON each. Compilation is not timed.
"""

import json
import math
import time
from dataclasses import replace

import numpy as np

from replay.scenario.build import build
from replay.scenario.scenario import L4_8B, Scenario
from replay.sim.world import World
from replay.traces.samples import sample

GRID_SECONDS = 15.0


def drive(scenario: Scenario) -> World:
    """Scale to a quarter above the work of the last five minutes."""
    world = World(scenario)
    ends = np.arange(GRID_SECONDS, scenario.duration_seconds, GRID_SECONDS)
    requests, work_seconds = scenario.requests, scenario.hardware.work_seconds
    each = work_seconds(1.0, 0.0) * requests.prompt_tokens + work_seconds(0.0, 1.0) * requests.output_tokens
    work = np.concatenate(([0.0], np.cumsum(each)))
    first, last = (np.searchsorted(requests.arrival_s, at) for at in (ends - 300.0, ends))
    done = work[last] - work[first]
    for end_s, seconds in zip(ends, done, strict=True):
        world.advance(scenario.start_seconds + end_s)
        world.samples()
        world.supply()
        world.scale(min(max(1, math.ceil(1.25 * seconds / 300.0)), scenario.hardware.max_nodes))
    return world


def measure(name: str, scenario: Scenario) -> None:
    drive(replace(scenario, duration_seconds=60.0))
    best = math.inf
    for _ in range(3):
        began = time.perf_counter()
        score = drive(scenario).score()
        best = min(best, time.perf_counter() - began)
    figures = {
        "scenario": name,
        "requests": score.requests,
        "simulated_hours": round(scenario.duration_seconds / 3600, 1),
        "peak_replicas": int(score.timeline.ready_replicas.max()),
        "share_within_5s": round(score.share_within_5s, 4),
        "wall_seconds": round(best, 3),
        "requests_per_second": round(score.requests / best),
    }
    print(json.dumps(figures))


def main() -> None:
    trace = sample("office-morning").trace
    day = {"start_seconds": 3 * 86_400.0, "duration_seconds": 86_400.0}
    measure("office, one day", build(trace, **day))  # type: ignore[arg-type]
    large = replace(L4_8B, max_nodes=256)
    measure("office x10, one day", build(trace, scale=10, hardware=large, **day))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
