"""Requests a second that the simulated cluster serves on one core, beside simpy and a plain heap: `python -m benchmarks.kernel`.

One day of the shipped sample on a fleet that is scaled to its traffic, as a policy drives it. simpy and the heap play part of
the same requests on as many replicas, and have less to do: a request takes as long as it would in a batch half full, whatever
runs beside it, and nothing is scaled. Compilation is not timed.
"""

import heapq
import math
import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

import numpy as np
import simpy
from numpy.typing import NDArray

from benchmarks import goals
from replay.scenario.build import build
from replay.scenario.scenario import Hardware, Scenario
from replay.sim.world import World
from replay.traces.samples import sample

GRID_SECONDS = 15.0
PLAYED = 50_000  # requests that simpy and the heap play
ROUNDS = 3

Floats = NDArray[np.float64]


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


def alone_seconds(scenario: Scenario) -> Floats:
    """How long each request takes in a batch half full."""
    hardware: Hardware = scenario.hardware
    step_seconds = hardware.step_base_seconds + hardware.step_sequence_seconds * hardware.max_num_seqs / 2
    requests = scenario.requests
    return requests.prompt_tokens / hardware.prefill_tokens_per_second + requests.output_tokens * step_seconds


def with_heap(arrivals: list[float], takes: list[float], replicas: int, slots: int) -> float:
    """Mean wait of requests that go to the replica with the fewest, by a heap of what comes next."""
    ends: list[tuple[float, int]] = []
    queues = [deque[int]() for _ in range(replicas)]
    running, outstanding = [0] * replicas, [0] * replicas
    waited = 0.0

    def finish(now: float, at: int) -> float:
        outstanding[at] -= 1
        if not queues[at]:
            running[at] -= 1
            return 0.0
        following = queues[at].popleft()
        heapq.heappush(ends, (now + takes[following], at))
        return now - arrivals[following]

    for request, now in enumerate(arrivals):
        while ends and ends[0][0] <= now:
            waited += finish(*heapq.heappop(ends))
        at = outstanding.index(min(outstanding))
        outstanding[at] += 1
        if running[at] < slots:
            running[at] += 1
            heapq.heappush(ends, (now + takes[request], at))
        else:
            queues[at].append(request)
    while ends:
        waited += finish(*heapq.heappop(ends))
    return waited / len(arrivals)


def with_simpy(arrivals: list[float], takes: list[float], replicas: int, slots: int) -> float:
    """The same by simpy: a resource for each replica and a process for each request."""
    environment = simpy.Environment()
    servers = [simpy.Resource(environment, slots) for _ in range(replicas)]
    outstanding = [0] * replicas
    waited = [0.0]

    def request(takes_seconds: float) -> Generator[simpy.Event, Any]:
        at = outstanding.index(min(outstanding))
        outstanding[at] += 1
        began = environment.now
        with servers[at].request() as slot:
            yield slot
            waited[0] += environment.now - began
            yield environment.timeout(takes_seconds)
        outstanding[at] -= 1

    def traffic() -> Generator[simpy.Event, Any]:
        for arrival, takes_seconds in zip(arrivals, takes, strict=True):
            yield environment.timeout(arrival - environment.now)
            environment.process(request(takes_seconds))

    environment.process(traffic())
    environment.run()
    return waited[0] / len(arrivals)


def fastest(play: Callable[[], object]) -> float:
    """Seconds of the fastest of a few rounds."""
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        play()
        took.append(time.perf_counter() - began)
    return min(took)


def main() -> None:
    scenario = build(sample("office-morning").trace, scale=10, start_seconds=3 * 86_400.0, duration_seconds=86_400.0)
    drive(replace(scenario, duration_seconds=60.0))  # compiles
    arrivals, takes = scenario.requests.arrival_s[:PLAYED].tolist(), alone_seconds(scenario)[:PLAYED].tolist()
    slots = scenario.hardware.max_num_seqs
    replicas = max(1, math.ceil(2.0 * sum(takes) / arrivals[-1] / slots))
    waits = [play(arrivals, takes, replicas, slots) for play in (with_heap, with_simpy)]
    assert math.isclose(*waits, abs_tol=1e-9), waits
    ours = len(scenario.requests) / fastest(lambda: drive(scenario).score())
    heap, processes = (
        PLAYED / fastest(lambda play=play: play(arrivals, takes, replicas, slots))  # type: ignore[misc]
        for play in (with_heap, with_simpy)
    )
    figures = {
        "requests a second": ours,
        "times a plain heap": ours / heap,
        "times simpy": ours / processes,
    }
    goals.show("kernel", figures, f"{len(scenario.requests):,} requests; {replicas} replicas for simpy and the heap")


if __name__ == "__main__":
    main()
