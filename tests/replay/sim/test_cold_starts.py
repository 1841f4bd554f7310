"""The graph of a cold start: what runs side by side with which actuators, what waits, and what a cache saves."""

from dataclasses import replace

import numpy as np
import pytest

from crds.workload import Weights, WeightsMethod
from policies.supply import Stage
from replay.commands.options import ACTUATORS, complete_actuators
from replay.contenders import clairvoyant, outrider
from replay.contenders.contender import Setup
from replay.report.terminal import head
from replay.scenario.actuators import NAMED, NO_ACTUATORS, Actuators, CompileCache, asked_for, named
from replay.scenario.policy import default
from replay.scenario.scenario import L4_8B, Hardware
from replay.sim.serving import engine_of
from replay.sim.world import World
from tests.replay.sim.scenarios import SURE, exactly, scenario

# Until the node has registered 70 s, GPU 30 s, image 200 s, weights 50 s, warm-up 100 s, of which 40 s are compilation.
GRAPH = replace(SURE, cold_start=replace(SURE.cold_start, gpu=exactly(30)), cached_warmup=exactly(60))
PRE_PULL, PREFETCH = Actuators(pre_pull=True), Actuators(weights=WeightsMethod.PREFETCH)
BOTH = Actuators(pre_pull=True, weights=WeightsMethod.PREFETCH)


def world(actuators: Actuators, hardware: Hardware = GRAPH, replicas: int = 1) -> World:
    return World(replace(scenario([0.0], hardware=hardware, replicas=replicas), actuators=actuators))


def start_seconds(cluster: World, replicas: int = 2) -> list[float]:
    """How long the replicas that are missing take until they serve."""
    asked = cluster.now_seconds
    known = {pod.name for pod in cluster.pods()}
    cluster.scale(replicas)
    cluster.advance(asked + 7200.0)
    return [pod.ready_seconds - asked for pod in cluster.pods() if pod.name not in known and pod.ready_seconds]


@pytest.mark.parametrize(
    ("actuators", "seconds"),
    [
        (Actuators(), 70 + 30 + 200 + 50 + 100),
        (PRE_PULL, 70 + 200 + 50 + 100),  # the driver starts meanwhile
        (PREFETCH, 70 + 30 + 200 + 100),  # the weights are there before the image
        (BOTH, 70 + 1.15 * 200 + 100),  # they share the disk and the network
        (Actuators(weights=WeightsMethod.IMAGE), 70 + 50 + 200 + 100),  # the engine's image waits in the queue
        (Actuators(pre_pull=True, weights=WeightsMethod.IMAGE), 70 + 200 + 50 + 100),  # one image at a time
    ],
    ids=str,
)
def test_what_an_actuator_begins_runs_from_the_registration_of_the_node_on(
    actuators: Actuators, seconds: float
) -> None:
    assert start_seconds(world(actuators)) == [pytest.approx(seconds)]


def test_the_gpu_is_waited_for_where_all_else_is_there_before() -> None:
    slow = replace(GRAPH, cold_start=replace(GRAPH.cold_start, gpu=exactly(400)))
    assert start_seconds(world(BOTH, slow)) == [pytest.approx(70 + 400 + 100)]


def test_what_there_is_not_takes_no_time() -> None:
    baked = replace(GRAPH, cold_start=replace(GRAPH.cold_start, image=None, weights=None))
    assert start_seconds(world(Actuators(), baked)) == [pytest.approx(70 + 30 + 100)]
    assert start_seconds(world(BOTH, baked)) == [pytest.approx(70 + 30 + 100)]
    streamed = replace(GRAPH, cold_start=replace(GRAPH.cold_start, weights=None))
    assert start_seconds(world(BOTH, streamed)) == [pytest.approx(70 + 200 + 100)]


def test_a_prefetch_goes_on_when_the_replica_that_waits_for_it_is_deleted() -> None:
    slow = replace(GRAPH, cold_start=replace(GRAPH.cold_start, weights=exactly(600)))
    cluster = world(PREFETCH, slow)
    cluster.scale(2)
    cluster.advance(cluster.now_seconds + 650.0)
    cluster.scale(1)
    assert start_seconds(cluster) == [pytest.approx(70 + 600 + 100 - 650)]


def test_what_is_compiled_on_a_volume_shortens_the_warm_up_of_all_later_starts() -> None:
    volume = Actuators(compile_cache=CompileCache.VOLUME)
    assert start_seconds(world(volume)) == [pytest.approx(450 - 40)]
    first = world(volume, replicas=0)
    assert start_seconds(first, 1) == [pytest.approx(450)]
    assert start_seconds(first, 2) == [pytest.approx(410)]


def test_what_is_compiled_on_a_node_is_missed_on_a_new_one_and_found_on_one_that_has_served() -> None:
    cluster = world(Actuators(compile_cache=CompileCache.NODE))
    assert start_seconds(cluster) == [pytest.approx(450)]
    cluster.scale(1)
    assert start_seconds(cluster) == [pytest.approx(60)]


def test_a_replica_that_is_deleted_before_it_serves_leaves_nothing_compiled() -> None:
    cluster = world(Actuators(compile_cache=CompileCache.VOLUME), replicas=0)
    cluster.scale(1)
    cluster.advance(cluster.now_seconds + 440.0)
    cluster.scale(0)
    assert start_seconds(cluster, 1) == [pytest.approx(100)]  # the node was kept, with image and weights


def test_a_compile_cache_needs_hardware_that_knows_what_it_saves() -> None:
    with pytest.raises(ValueError, match="how much a compile cache shortens the warm-up of 8b-l4"):
        world(Actuators(compile_cache=CompileCache.NODE), replace(GRAPH, cached_warmup=None))


def test_one_factor_slows_image_weights_and_process_of_a_node() -> None:
    steady = replace(GRAPH, process_seconds=20.0)
    assert start_seconds(world(Actuators(), replace(steady, slowness_sigma=0.0))) == [pytest.approx(450)]
    slow = replace(steady, slowness_sigma=0.3)
    found = start_seconds(world(Actuators(), slow), 41)
    factors = [(seconds - 180) / 270 for seconds in found]  # node, GPU and the rest of the warm-up are as before
    assert np.std(np.log(factors)) == pytest.approx(0.3, rel=0.25)
    assert np.median(factors) == pytest.approx(1.0, rel=0.15)


MANY = 400


@pytest.mark.parametrize(
    ("actuators", "prepared", "seconds"),
    [
        (Actuators(), "", 548),
        (BOTH, "", 469),
        (replace(BOTH, compile_cache=CompileCache.VOLUME), "", 440),
        (Actuators(compile_cache=CompileCache.VOLUME), "image", 191),
        (replace(BOTH, compile_cache=CompileCache.VOLUME), "image and weights", 126),
    ],
)
def test_the_medians_of_an_8b_model_on_an_l4(actuators: Actuators, prepared: str, seconds: float) -> None:
    """The published sums of its parts, each drawn by itself; balloons prepare nodes. Half a second each."""
    cluster = world(actuators, replace(L4_8B, max_nodes=MANY + 1))
    if prepared:
        for number in range(MANY):
            cluster.create_balloon(f"b{number}", 1e6)
        cluster.advance(cluster.now_seconds + 3600.0)
    assert np.median(start_seconds(cluster, MANY + 1)) == pytest.approx(seconds, rel=0.03)


@pytest.mark.parametrize("actuators", [Actuators(), PRE_PULL, PREFETCH, BOTH], ids=str)
def test_outrider_and_the_clairvoyant_plan_with_the_actuators_of_the_scenario(actuators: Actuators) -> None:
    played = replace(scenario([0.0], hardware=GRAPH), actuators=actuators)
    planned = outrider.make(Setup(played.resolved(default()), engine_of(GRAPH))).cold_start
    assert planned == replace(default().cold_start, ahead=actuators.ahead)
    (seconds,) = start_seconds(World(played))
    assert clairvoyant.lead_seconds(played) == pytest.approx(seconds)


def test_beside_a_shared_compile_cache_the_shorter_warm_up_is_planned_with() -> None:
    played = replace(scenario([0.0], hardware=GRAPH), actuators=Actuators(compile_cache=CompileCache.VOLUME))
    assert played.cold_start(GRAPH.cold_start).warmup == exactly(60)
    assert played.cold_start(replace(GRAPH.cold_start, warmup=Stage(200.0, 250.0))).warmup == Stage(120.0, 150.0)
    assert clairvoyant.lead_seconds(played) == pytest.approx(410)


def test_the_actuators_are_those_of_the_policy_or_of_the_option() -> None:
    assert asked_for(default()) == NO_ACTUATORS
    assert asked_for(replace(default(), pre_pull=True, weights=Weights(WeightsMethod.PREFETCH))) == BOTH
    assert named("none") == NO_ACTUATORS
    assert named("pre-pull, prefetch") == BOTH
    assert (
        str(named("pre-pull,weights-image,compile-cache"))
        == "image pre-pull, weights in an image, a compile cache on a volume"
    )
    assert str(named("node-compile-cache")) == "a compile cache on each node"
    with pytest.raises(ValueError, match="'pre-pul' is unknown; did you mean pre-pull"):
        named("pre-pul")
    with pytest.raises(ValueError, match="none stands alone"):
        named("none,pre-pull")
    with pytest.raises(ValueError, match="prefetch and weights-image exclude each other; keep one"):
        named("prefetch,weights-image")
    shown = [
        line.plain for line in head(replace(scenario([0.0]), actuators=named("pre-pull")), default(), "the policy")
    ]
    assert shown[-1] == "every contender has: image pre-pull"
    assert set(ACTUATORS) == set(NAMED)
    assert complete_actuators("prefetch,co") == ["prefetch,compile-cache"]
