"""Requests a second that the simulated cluster serves on one core, beside simpy and a plain heap: `python -m benchmarks.kernel`.

The three serve the same traffic by the same model on a fleet that does not change, and have to come to the same waits. Then
half a day of chat, 3.2 M requests on 8 to 14 replicas, is replayed under Outrider and under an HPA, which both decide every
15 s; and six such workloads on shared nodes for two hours. Seconds are those of the CPU; compilation is not timed. About 1 min.
"""

import gc
import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from benchmarks import goals
from benchmarks.batching import Replica, Request, with_heap, with_simpy
from policies.pool import OfferingKind
from replay.contenders import hpa_in_flight, outrider
from replay.contenders.contender import Contender, Setup
from replay.contenders.view import View
from replay.driver import play_duties, run
from replay.scenario.build import build, fitted
from replay.scenario.cluster import ClusterScenario, ClusterWorkload, SimOffering
from replay.scenario.hardware import HARDWARE
from replay.scenario.policy import default
from replay.scenario.scenario import Scenario
from replay.sim.cluster import Cluster
from replay.sim.serving import engine_of
from replay.sim.world import World
from replay.traces.samples import sample
from replay.traces.trace import UNDATED_EPOCH_SECONDS, Requests

DAY_SECONDS = 86_400.0
ROUNDS = 3
REPLICAS = 24
COMPARED = ("p50_wait_seconds", "p99_wait_seconds", "p999_wait_seconds")
WORKLOAD = default("8b-h100")
TOGETHER = 6  # workloads on shared nodes
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


def by_outrider(scenario: Scenario) -> Contender:
    """Outrider, with its defaults."""
    return outrider.make(Setup(WORKLOAD, engine_of(scenario.hardware)))


def by_hpa(_scenario: Scenario) -> Contender:
    """An HPA on the requests in flight."""
    return hpa_in_flight.tuned(WORKLOAD, IN_FLIGHT)


def under(make: Callable[[Scenario], Contender], scenario: Scenario) -> float:
    """The share of requests whose wait was within the SLO."""
    return run(scenario, make(scenario)).attainment


def together(make: Callable[[Scenario], Contender], scenario: Scenario) -> None:
    """As many workloads of that traffic on shared nodes of two offerings, each with a contender of its own."""
    members = tuple([ClusterWorkload(f"model-{number}", scenario) for number in range(TOGETHER)])
    offerings = (
        SimOffering("spot", OfferingKind.SPOT, 1.0, 1, max_nodes=40),
        SimOffering("on-demand", OfferingKind.ON_DEMAND, 2.0, 1, max_nodes=400),
    )
    start, seconds = scenario.start_seconds, scenario.duration_seconds
    cluster = Cluster(ClusterScenario("together", start, seconds, members, offerings))
    attached = [make(scenario).attach(View(cluster.workload(member.name))) for member in members]
    play_duties(cluster, [duty for duties in attached for duty in duties], start, seconds, lambda _share: None)
    cluster.score()


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
        gc.collect()  # what the round before left
        began = time.process_time()
        play()
        took.append(time.process_time() - began)
    return min(took)


def main() -> None:
    trace = sample("office-morning").trace
    hour = build(trace, scale=10.0, start_seconds=2 * DAY_SECONDS, duration_seconds=3600.0, initial_replicas=REPLICAS)
    for serve in (with_heap, with_simpy):  # compiles, too
        assert np.allclose(by(serve, hour), standing(hour), atol=1e-6), (serve, by(serve, hour), standing(hour))
    half_day, two_hours = chat(), chat(7200.0)
    for make in (by_outrider, by_hpa):
        under(make, replace(half_day, duration_seconds=3600.0))  # compiles the rest
        assert (kept := under(make, half_day)) > 0.99, (make, kept)
    kernel = seconds_of(lambda: standing(hour))
    count = len(half_day.requests)
    by_one = {make: seconds_of(partial(under, make, two_hours)) * TOGETHER for make in (by_outrider, by_hpa)}
    figures = {
        "requests a second": len(hour.requests) / kernel,
        "times a plain heap": seconds_of(lambda: by(with_heap, hour), 1) / kernel,
        "times simpy": seconds_of(lambda: by(with_simpy, hour), 1) / kernel,
        "requests a second, Outrider every 15 s": count / seconds_of(lambda: under(by_outrider, half_day)),
        "requests a second, HPA every 15 s": count / seconds_of(lambda: under(by_hpa, half_day)),
        "six workloads, Outrider, times the speed of one": by_one[by_outrider]
        / seconds_of(lambda: together(by_outrider, two_hours), 2),
        "six workloads, HPA, times the speed of one": by_one[by_hpa]
        / seconds_of(lambda: together(by_hpa, two_hours), 2),
    }
    goals.show("kernel", figures, f"{len(hour.requests):,} requests on {hour.initial_replicas} replicas")


if __name__ == "__main__":
    main()
