"""Requests a second that the simulated cluster serves on one core, beside simpy and a plain heap: `python -m benchmarks.kernel`.

The three serve the same traffic by the same model on a fleet that does not change, and have to come to the same waits. Then a
fleet that a policy drives: sampled every 15 s and scaled to its traffic. Compilation is not timed. About 30 s.
"""

import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchmarks import goals
from benchmarks.batching import Replica, Request, with_heap, with_simpy
from replay.scenario.build import build
from replay.scenario.scenario import Scenario
from replay.sim.world import World
from replay.traces.samples import sample

GRID_SECONDS = 15.0
DAY_SECONDS = 86_400.0
ROUNDS = 3
REPLICAS = 24
COMPARED = ("p50_wait_seconds", "p99_wait_seconds", "p999_wait_seconds")


def drive(scenario: Scenario) -> World:
    """Every 15 s all replicas are sampled, and scaled to a quarter above the work of the last five minutes."""
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


def standing(scenario: Scenario) -> list[float]:
    """Waits of the simulated cluster whose fleet does not change."""
    world = World(scenario)
    world.advance(scenario.start_seconds + scenario.duration_seconds)
    score = world.score()
    return [getattr(score, name) for name in COMPARED]


def by(serve: Callable[[list[Request], list[Replica], float], None], scenario: Scenario) -> list[float]:
    """The same waits by another loop."""
    found = scenario.requests
    columns = (found.arrival_s.tolist(), found.prompt_tokens.tolist(), found.output_tokens.tolist())
    requests = [Request(*row) for row in zip(*columns, strict=True)]
    end_s = scenario.duration_seconds
    serve(requests, [Replica(scenario.hardware) for _ in range(scenario.initial_replicas)], end_s)
    waits = [(end_s if math.isnan(each.admitted_s) else each.admitted_s) - each.arrival_s for each in requests]
    return [float(np.quantile(waits, share, method="inverted_cdf")) for share in (0.5, 0.99, 0.999)]


def seconds_of(play: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Of the fastest of a few rounds."""
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        play()
        took.append(time.perf_counter() - began)
    return min(took)


def main() -> None:
    trace = sample("office-morning").trace
    day = build(trace, scale=10.0, start_seconds=2 * DAY_SECONDS, duration_seconds=DAY_SECONDS)
    hour = build(trace, scale=10.0, start_seconds=2 * DAY_SECONDS, duration_seconds=3600.0, initial_replicas=REPLICAS)
    drive(replace(day, duration_seconds=60.0))  # compiles
    for serve in (with_heap, with_simpy):
        assert np.allclose(by(serve, hour), standing(hour), atol=1e-6), (serve, by(serve, hour), standing(hour))
    kernel = seconds_of(lambda: standing(hour))
    figures = {
        "requests a second": len(hour.requests) / kernel,
        "times a plain heap": seconds_of(lambda: by(with_heap, hour), 1) / kernel,
        "times simpy": seconds_of(lambda: by(with_simpy, hour), 1) / kernel,
        "requests a second, sampled and scaled": len(day.requests) / seconds_of(lambda: drive(day).score()),
    }
    goals.show("kernel", figures, f"{len(hour.requests):,} requests on {hour.initial_replicas} replicas")


if __name__ == "__main__":
    main()
