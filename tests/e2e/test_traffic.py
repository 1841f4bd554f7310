"""Ten minutes of recorded traffic through the whole chain, five times as fast, Outrider and the reactive ScaledObject side
by side: seconds from the burst to serving, what users met, what it cost. The same is simulated for comparison."""

import json
import math
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from typing import Any

from replay.contenders.contender import Contender
from replay.contenders.outrider import Outrider as Simulated
from replay.contenders.reactive import reactive
from replay.driver import run
from replay.scenario.scenario import Scenario
from tests.e2e.harness import Cluster
from tests.e2e.harness.cluster import HPA_SYNC_SECONDS, RATE
from tests.e2e.harness.outrider import Outrider
from tests.e2e.traffic import scene
from tests.e2e.traffic.burst import Burst, burst
from tests.e2e.traffic.contest import Side, run_both, two_namespaces
from tests.e2e.traffic.stages import after_need, climbed, landings, lasted, spread
from tests.e2e.traffic.tables import Climb, Result, document, text

OUT = Path(__file__).parents[2] / "build" / "e2e"
LEAST_SHARE = 0.95  # within 5 s; without any scaling it would be 0.82
LASTING_SECONDS = 4 * HPA_SYNC_SECONDS  # a decision that lasts this long must have been followed


def test_recorded_traffic_beside_the_reactive_scaled_object(
    cluster: Cluster, namespace: str, outrider: Callable[..., Outrider], shared: Path
) -> None:
    with two_namespaces(cluster, namespace) as both:
        ours, theirs = run_both(cluster, both, outrider, shared)
    scenario = scene.scenario(ours.workload.policy, shared, ours.scenario_started_seconds)
    workload = scene.resolved(ours.workload.policy)
    results = [
        _result("Outrider", ours),
        _result("reactive", theirs),
        _simulated("Outrider, simulated", scenario, Simulated(workload.policy, workload.cold_start)),
        _simulated("reactive, simulated", scenario, reactive(workload)),
    ]
    rise = burst(scenario)
    climbs = [_climb("Outrider", ours, rise), _climb("reactive", theirs, rise)]
    took, missed = landings(ours.decided, ours.seen.asked, ours.standin["now_seconds"], LASTING_SECONDS)
    landed = spread(took)
    assert landed is not None, "no decision changed anything"
    print(
        f"{len(scenario.requests)} requests of {scenario.name} to each in {_seconds(ours):.0f} s, at {RATE} x the clock"
    )
    print(f"decisions landed after {landed.median:.1f} s ({landed.worst:.1f} s at worst), {landed.count} of them")
    print(text(results, climbs, rise))
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "traffic.txt").write_text(text(results, climbs, rise))
    (OUT / "traffic.json").write_text(json.dumps(document(results, climbs, rise) | _raw(ours, theirs)))

    assert not missed, f"decided (when, replicas), and not what ran: {missed}"
    assert _seconds(ours) >= 600.0
    assert {each.requests for each in results} == {len(scenario.requests)}
    assert results[0].share_within_5s >= max(LEAST_SHARE, results[1].share_within_5s)
    assert results[0].balloons, "no node was prepared"


def _seconds(side: Side) -> float:
    """How long the traffic has run, in wall seconds."""
    return float(side.standin["now_seconds"]) - side.started_seconds


def _result(name: str, side: Side) -> Result:
    score, start = side.standin["score"], side.started_seconds
    return Result(
        name=name,
        **{
            name: score[name]
            for name in ("requests", "share_within_1s", "share_within_5s", "p99_wait_seconds", "failed")
        },
        gpu_hours=side.seen.gpu_hours(start, start + scene.DURATION_SECONDS / RATE) * RATE,
        nodes=len(side.seen.nodes),
        most_replicas=max(replicas for _, replicas in side.seen.asked),
        balloons=len(side.seen.balloons),
    )


def _simulated(name: str, scenario: Scenario, contender: Contender) -> Result:
    score = run(scenario, contender).score
    shown = ("requests", "share_within_1s", "share_within_5s", "failed", "gpu_hours")
    return Result(
        name=name,
        **{each: getattr(score, each) for each in shown},
        p99_wait_seconds=score.p99_wait_seconds if math.isfinite(score.p99_wait_seconds) else None,
        nodes=score.nodes_launched,
        most_replicas=int(score.timeline.spec_replicas.max()),
        balloons=None,
    )


def _climb(name: str, side: Side, rise: Burst) -> Climb:
    start = side.started_seconds
    need = {level: start + at / RATE for level, at in rise.levels.items()}
    since = start + rise.starts_seconds / RATE
    reached = climbed(side.pods, side.node_ready, side.seen.asked, side.decided, since)
    added = [pod for pod in side.pods if pod["created"] > start]
    return Climb(name, after_need(need, reached), lasted(added, side.node_ready))


def _raw(*sides: Side) -> dict[str, Any]:
    """The data behind the tables. Wall seconds: for nodes and replicas since second 0 of the traffic, else Unix time."""
    found = {}
    for name, side in zip(("outrider", "reactive"), sides, strict=True):
        start = side.started_seconds
        found[name] = {
            "decided": [(at - start, replicas) for at, replicas in side.decided],
            "asked": [(at - start, replicas) for at, replicas in side.seen.asked],
            "nodes": [[at and at - start for at in astuple(node)] for node in side.seen.nodes.values()],
            "pods": side.pods,
            "node_ready": side.node_ready,
            "started_seconds": start,
        }
    return {"seen": found}
