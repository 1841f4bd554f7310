"""A snapshot of the simulated cluster for display."""

from collections.abc import Mapping, Sequence

import numpy as np

from policies.pool import StandbyUnit
from replay.contenders.view import View
from replay.scenario.scenario import Scenario
from replay.sim.cluster import Cluster
from replay.sim.views import NodeView, Phase
from replay.sim.world import World
from replay.simcluster.resources import Json

WINDOW_SECONDS = 60.0


def snapshot(world: World | View, scenario: Scenario, keda_problem: str | None) -> Json:
    """Demand, replicas and nodes by rung, and requests now. Rates are means over the last minute."""
    now = world.now_seconds
    samples = world.samples()
    phases = [pod.phase for pod in world.pods()]
    nodes = world.nodes()
    balloons = [balloon for balloon in world.balloons() if balloon.ended is None]
    per_second, replicas = _demand(scenario, now - scenario.start_seconds)
    return {
        "scenario": scenario.name,
        "now_seconds": now,
        "elapsed_seconds": now - scenario.start_seconds,
        "duration_seconds": scenario.duration_seconds,
        "requests_per_second": per_second,
        "demand_replicas": replicas,
        "spec_replicas": world.spec_replicas,
        "replicas": {phase.value: phases.count(phase) for phase in Phase},
        "nodes": _nodes(nodes),
        "balloons": {
            "unplaced": sum(balloon.node is None for balloon in balloons),
            "pulling": sum(balloon.node is not None and not balloon.running for balloon in balloons),
            "running": sum(balloon.running for balloon in balloons),
        },
        "waiting": sum(sample.waiting or 0.0 for sample in samples),
        "running": sum(sample.running or 0.0 for sample in samples),
        "keda_problem": keda_problem,
    }


def together(cluster: Cluster, name: str, each: Sequence[Json]) -> Json:
    """The snapshots of a cluster's workloads as one, with what they share."""
    first, nodes, units = each[0], cluster.nodes(), cluster.standby()
    summed = {
        field: sum(one[field] for one in each)
        for field in ("requests_per_second", "demand_replicas", "spec_replicas", "waiting", "running")
    }
    return {
        **first,
        **summed,
        "scenario": name,
        "replicas": _sums([one["replicas"] for one in each]),
        "balloons": _standby(_sums([one["balloons"] for one in each]), units),
        "nodes": _nodes(nodes),
        "offerings": [
            {"name": offering.name, "nodes": offering.nodes, "refused": offering.refused}
            for offering in cluster.offerings()
        ],
    }


def _sums(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return {name: sum(each[name] for each in counts) for name in counts[0]}


def _standby(balloons: dict[str, int], units: Sequence[StandbyUnit]) -> dict[str, int]:
    """Prepared nodes of the workloads, and those that stand by for all of them."""
    placed = sum(unit.node is not None for unit in units)
    return {
        **balloons,
        "unplaced": balloons["unplaced"] + len(units) - placed,
        "running": balloons["running"] + placed,
    }


def _nodes(nodes: Sequence[NodeView]) -> dict[str, int]:
    return {
        "starting": sum(node.ready_seconds is None for node in nodes),
        "ready": sum(node.ready_seconds is not None and not node.has_image for node in nodes),
        "with_image": sum(node.has_image for node in nodes),
        "empty": sum(not node.occupants for node in nodes),
    }


def _demand(scenario: Scenario, elapsed_seconds: float) -> tuple[float, float]:
    """Arrivals per second, and the replicas that their tokens keep busy at a full batch."""
    if elapsed_seconds <= 0:
        return 0.0, 0.0
    requests, span_seconds = scenario.requests, min(WINDOW_SECONDS, elapsed_seconds)
    first, last = np.searchsorted(requests.arrival_s, (elapsed_seconds - WINDOW_SECONDS, elapsed_seconds), "right")
    prompt, output = (float(column[first:last].sum()) for column in (requests.prompt_tokens, requests.output_tokens))
    return float(last - first) / span_seconds, scenario.hardware.replicas(prompt, output, span_seconds)
