"""What must hold in a cluster of several workloads whatever is commanded, and whatever its cloud does."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from policies.pool import OfferingKind, StandbyPhase
from replay.scenario.cluster import (
    ClusterAutoscaler,
    ClusterScenario,
    ClusterWorkload,
    Karpenter,
    NodeAutoscaler,
    Outage,
    Reclaims,
    SimOffering,
    StockOuts,
)
from replay.scenario.scenario import L4_8B
from replay.sim.cluster import Cluster
from tests.replay.sim.scenarios import START, scenario

COMMANDS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 1.0, 15.0, 60.0, 300.0]),
        st.sampled_from("sssbcdp"),
        st.integers(0, 2),
        st.integers(0, 8),
    ),
    min_size=1,
    max_size=50,
)
GPUS = (1, 2, 4)  # of a replica of each workload
OFFERINGS = (
    SimOffering("spot", OfferingKind.SPOT, 0.5, 4, max_nodes=3),
    SimOffering("on-demand", OfferingKind.ON_DEMAND, 2.0, 8, max_nodes=3),
)
WITH_NODE = (StandbyPhase.STARTING, StandbyPhase.READY, StandbyPhase.LEAVING)


def play(seed: int, autoscaler: NodeAutoscaler, disk_bytes: float, max_gpus: int | None) -> ClusterScenario:
    random = np.random.default_rng(seed)
    workloads = []
    for index, gpus in enumerate(GPUS):
        arrivals = np.cumsum(random.exponential(2.0, 300))
        tokens = random.integers(1, 1500, (2, 300))
        hardware = replace(L4_8B, gpus_per_replica=gpus)
        played = scenario(arrivals, tokens[0], tokens[1], hardware=hardware, replicas=1, seed=seed)
        workloads.append(ClusterWorkload(f"w{index}", played, image_bytes=1e9, weights_bytes=2e9))
    return ClusterScenario(
        "random",
        START,
        3600.0,
        tuple(workloads),
        OFFERINGS,
        seed,
        outages=(Outage("on-demand", START + 300.0, START + 900.0),),
        stockouts=StockOuts(900.0, 200.0),
        reclaims=Reclaims(900.0),
        disk_bytes=disk_bytes,
        autoscaler=autoscaler,
        max_gpus=max_gpus,
    )


def command(found: Cluster, verb: str, workload: int, number: int) -> None:
    world = found.workload(f"w{workload}")
    standby = [unit.name for unit in found.standby()]
    nodes = found.nodes()
    if verb == "s":
        world.scale(number)
    elif verb == "b" and f"b{number}" not in [balloon.name for balloon in world.balloons()]:
        world.create_balloon(f"b{number}", 100.0 * number)
    elif verb == "c" and f"s{number}" not in standby:
        found.create_standby(f"s{number}", OFFERINGS[number % 2].name, 200.0 * number)
    elif verb == "d" and standby:
        found.delete_standby(standby[number % len(standby)])
    elif verb == "p" and nodes:
        found.pull(nodes[number % len(nodes)].name, f"w{workload}")


def check(found: Cluster, max_gpus: int | None) -> None:
    nodes = {node.name: node for node in found.nodes()}
    held = dict.fromkeys(nodes, 0)
    occupants: list[str] = []
    for index, gpus in enumerate(GPUS):
        world = found.workload(f"w{index}")
        supply = world.supply()
        assert len(supply.ready) + supply.starting + supply.unplaced == supply.spec_replicas
        placed = [(pod.name, pod.node) for pod in world.pods()]
        placed += [(balloon.name, balloon.node) for balloon in world.balloons()]
        for name, node_name in placed:
            if node_name is not None:
                held[node_name] += gpus
                occupants.append(name)
    starting = [standby.node for standby in found.standby() if standby.phase is StandbyPhase.STARTING]
    assert len(set(starting)) == len(starting)  # each waits for a node of its own, which it does not hold yet
    for standby in found.standby():
        assert (standby.node is None) == (standby.phase not in WITH_NODE)
        if standby.node is None:
            continue
        assert nodes[standby.node].offering == standby.offering
        if standby.phase is not StandbyPhase.STARTING:
            assert nodes[standby.node].occupants == (standby.name,)
            held[standby.node] += nodes[standby.node].gpus
            occupants.append(standby.name)
    assert all(held[name] <= node.gpus for name, node in nodes.items())
    assert sorted(occupants) == sorted(name for node in nodes.values() for name in node.occupants)
    for offering, limit in zip(found.offerings(), OFFERINGS, strict=True):
        assert offering.nodes + offering.claims <= limit.max_nodes
        assert offering.nodes == sum(node.offering == offering.name for node in nodes.values())
    assert max_gpus is None or sum(node.gpus for node in nodes.values()) <= max_gpus


@given(
    COMMANDS,
    st.integers(0, 1000),
    st.sampled_from([Karpenter(), Karpenter(600.0), ClusterAutoscaler()]),
    st.sampled_from([3e9, 7e9, 1e12]),
    st.sampled_from([None, 16]),
)
def test_gpus_are_held_once_and_bills_only_grow(
    commands: list[tuple[float, str, int, int]],
    seed: int,
    autoscaler: NodeAutoscaler,
    disk_bytes: float,
    max_gpus: int | None,
) -> None:
    found = Cluster(play(seed, autoscaler, disk_bytes, max_gpus))
    before = 0.0
    for pause, verb, workload, number in commands:
        found.advance(found.now_seconds + pause)
        command(found, verb, workload, number)
        check(found, max_gpus)
        score = found.score()
        held = sum(each.gpu_hours for _, each in score.workloads) + score.standby_gpu_hours
        assert held <= score.gpu_hours + 1e-9
        assert before <= score.gpu_hours
        assert 0.0 <= score.standby_wasted_gpu_hours <= score.standby_gpu_hours + 1e-9
        before = score.gpu_hours
    for index in range(len(GPUS)):
        world = found.workload(f"w{index}")
        log, of_one = world.requests(), world.score()
        assert int(np.isnan(log.finish_s).sum()) == of_one.unfinished + of_one.failed
        assert of_one.failed == int(log.failed.sum())
