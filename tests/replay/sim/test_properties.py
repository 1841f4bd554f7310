"""What must hold in the cluster whatever is commanded."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from crds.workload import WeightsMethod
from replay.scenario.actuators import Actuators, CompileCache
from replay.scenario.scenario import L4_8B
from replay.sim.world import World

from .scenarios import START, scenario

COMMANDS = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0, 15.0, 60.0, 300.0]), st.sampled_from("ssscd"), st.integers(0, 12)),
    min_size=1,
    max_size=60,
)


def command(world: World, verb: str, number: int) -> None:
    names = [balloon.name for balloon in world.balloons()]
    if verb == "s":
        world.scale(number)
    elif verb == "c" and f"b{number}" not in names:
        world.create_balloon(f"b{number}", 50.0 * number)
    elif verb == "d" and names:
        world.delete_balloon(names[number % len(names)])


def check_places(world: World, per_node: int) -> None:
    supply, pods, nodes = world.supply(), world.pods(), world.nodes()
    assert len(supply.ready) + supply.starting + supply.unplaced == supply.spec_replicas
    assert set(supply.ready) == {pod.name for pod in pods if pod.ready} == {sample.pod for sample in world.samples()}
    held = [name for node in nodes for name in node.occupants]
    balloons = [balloon for balloon in world.balloons() if balloon.node]
    assert sorted(held) == sorted([pod.name for pod in pods if pod.node] + [balloon.name for balloon in balloons])
    assert all(len(node.occupants) <= per_node for node in nodes)
    waiting = [balloon for balloon in world.balloons() if balloon.node is None and balloon.ended is None]
    if any(node.ready_seconds is not None and len(node.occupants) < per_node for node in nodes):
        assert supply.unplaced == 0
        assert not waiting
    if supply.unplaced:
        assert not balloons


ACTUATORS = st.builds(Actuators, st.booleans(), st.sampled_from(WeightsMethod), st.sampled_from(CompileCache))


@given(
    COMMANDS,
    st.integers(0, 1000),
    st.sampled_from([1, 2, 4]),
    st.integers(1, 6),
    st.sampled_from([0.0, 60.0, 600.0]),
    ACTUATORS,
)
def test_places_are_held_once_and_replicas_come_first(
    commands: list[tuple[float, str, int]],
    seed: int,
    per_node: int,
    max_nodes: int,
    idle_seconds: float,
    actuators: Actuators,
) -> None:
    hardware = replace(L4_8B, max_nodes=max_nodes, gpus_per_node=per_node, node_idle_seconds=idle_seconds)
    random = np.random.default_rng(seed)
    arrivals = np.cumsum(random.exponential(1.0, 500))
    tokens = random.integers(1, 2000, (2, 500))
    played = scenario(arrivals, tokens[0], tokens[1], hardware=hardware, replicas=1, seed=seed)
    world = World(replace(played, actuators=actuators))
    billed = 0.0
    for pause, verb, number in commands:
        world.advance(world.now_seconds + pause)
        command(world, verb, number)
        check_places(world, per_node)
        assert len(world.nodes()) <= max_nodes
        gpu_hours = world.score().gpu_hours
        assert billed <= gpu_hours <= max_nodes * per_node * (world.now_seconds - START) / 3600 + 1e-9
        billed = gpu_hours
    log, score = world.requests(), world.score()
    assert int(np.isnan(log.finish_s).sum()) == score.unfinished + score.failed
    assert np.all(np.diff(score.timeline.seconds) > 0)
