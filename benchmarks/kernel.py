"""Requests a second that the simulated cluster serves on one core, beside simpy and a plain heap: `python -m benchmarks.kernel`.

The three serve the same traffic by the same model on a fleet that does not change, and have to come to the same waits. Then
half a day of chat, 3.2 M requests on 8 to 14 replicas, is replayed under Outrider and under an HPA, which both decide every
15 s. Seconds are those of the CPU; compilation is not timed. About 30 s.
"""

import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchmarks import goals
from benchmarks.batching import Replica, Request, with_heap, with_simpy
from replay.contenders import hpa_in_flight, outrider
from replay.contenders.contender import Setup
from replay.driver import run
from replay.scenario.build import build, fitted
from replay.scenario.hardware import HARDWARE
from replay.scenario.policy import default
from replay.scenario.scenario import Scenario
from replay.sim.serving import engine_of
from replay.sim.world import World
from replay.traces.samples import sample
from replay.traces.trace import UNDATED_EPOCH_SECONDS, Requests

DAY_SECONDS = 86_400.0
ROUNDS = 3
REPLICAS = 24
COMPARED = ("p50_wait_seconds", "p99_wait_seconds", "p999_wait_seconds")
WORKLOAD = default("8b-h100")
IN_FLIGHT = 30.0  # per replica, at which the HPA holds 99 % of the waits below a second


def chat(seconds: float = DAY_SECONDS / 2, requests_per_second: float = 73.6) -> Scenario:
    """Traffic with the rate and the lengths of a large public chat trace: it moves by 7 % a minute, and slowly by 15 %."""
    random = np.random.default_rng(1)
    minutes = np.arange(0.0, seconds, 60.0)
    rates = requests_per_second * (1.0 + 0.15 * np.sin(minutes / 3600.0)) * random.lognormal(0.0, 0.05, len(minutes))
    starts = np.repeat(minutes, random.poisson(60.0 * rates))
    count = len(starts)
    requests = Requests(
        np.sort(starts + random.uniform(0.0, 60.0, count)),
        1 + random.lognormal(math.log(990.0), 0.99, count).astype(np.int32),
        1 + random.lognormal(math.log(68.0), 0.86, count).astype(np.int32),
    )
    scenario = Scenario("chat", UNDATED_EPOCH_SECONDS, seconds, requests, None, HARDWARE["8b-h100"], 0, 1)
    return fitted(scenario, WORKLOAD)


def under_outrider(scenario: Scenario) -> float:
    """The share of requests whose wait was within the SLO."""
    return run(scenario, outrider.make(Setup(WORKLOAD, engine_of(scenario.hardware)))).attainment


def under_hpa(scenario: Scenario) -> float:
    """Likewise."""
    return run(scenario, hpa_in_flight.tuned(WORKLOAD, IN_FLIGHT)).attainment


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
        began = time.process_time()
        play()
        took.append(time.process_time() - began)
    return min(took)


def main() -> None:
    trace = sample("office-morning").trace
    hour = build(trace, scale=10.0, start_seconds=2 * DAY_SECONDS, duration_seconds=3600.0, initial_replicas=REPLICAS)
    for serve in (with_heap, with_simpy):  # compiles, too
        assert np.allclose(by(serve, hour), standing(hour), atol=1e-6), (serve, by(serve, hour), standing(hour))
    half_day = chat()
    for play in (under_outrider, under_hpa):
        play(replace(half_day, duration_seconds=3600.0))  # compiles the rest
        assert (kept := play(half_day)) > 0.99, (play, kept)
    kernel = seconds_of(lambda: standing(hour))
    figures = {
        "requests a second": len(hour.requests) / kernel,
        "times a plain heap": seconds_of(lambda: by(with_heap, hour), 1) / kernel,
        "times simpy": seconds_of(lambda: by(with_simpy, hour), 1) / kernel,
        "requests a second, Outrider every 15 s": len(half_day.requests) / seconds_of(lambda: under_outrider(half_day)),
        "requests a second, HPA every 15 s": len(half_day.requests) / seconds_of(lambda: under_hpa(half_day)),
    }
    goals.show("kernel", figures, f"{len(hour.requests):,} requests on {hour.initial_replicas} replicas")


if __name__ == "__main__":
    main()
