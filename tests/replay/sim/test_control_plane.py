"""Cold starts, nodes, balloons and the scheduler, with stages that take exactly 70, 200, 50 and 100 seconds."""

from dataclasses import replace

import numpy as np
import pytest

from replay.scenario.scenario import Hardware
from replay.sim.views import Ended, Phase
from replay.sim.world import World

from .scenarios import START, SURE, scenario


def world(replicas: int = 1, hardware: Hardware = SURE) -> World:
    return World(scenario([0.0], hardware=hardware, replicas=replicas))


def at(cluster: World, seconds: float) -> World:
    cluster.advance(START + seconds)
    return cluster


def test_a_replica_climbs_its_stages() -> None:
    cluster = world()
    cluster.scale(2)
    expected = {
        0: Phase.UNPLACED,
        69.9: Phase.UNPLACED,
        70: Phase.PULLING,
        270: Phase.LOADING,
        320: Phase.WARMING,
        420: Phase.SERVING,
    }
    for seconds, phase in expected.items():
        assert at(cluster, seconds).pods()[1].phase is phase, seconds
    pod = cluster.pods()[1]
    assert (pod.scheduled_seconds, pod.image_ready_seconds) == (START + 70, START + 270)
    assert (pod.started_seconds, pod.ready_seconds) == (START + 320, START + 420)
    assert cluster.samples()[1].started_seconds == START + 320


def test_supply_counts_the_rungs() -> None:
    cluster = world()
    cluster.scale(3)
    cluster.create_balloon("b", 1800)
    supply = at(cluster, 10).supply()
    assert (supply.spec_replicas, supply.ready, supply.unplaced, supply.starting) == (3, ("llm-0",), 2, 0)
    assert (supply.preparing, supply.prepared) == (1, 0)
    supply = at(cluster, 100).supply()
    assert (supply.unplaced, supply.starting, supply.placed) == (0, 2, 3)
    supply = at(cluster, 275).supply()
    assert (supply.preparing, supply.prepared) == (0, 1)
    assert len(at(cluster, 420).supply().ready) == 3


def test_a_node_is_billed_from_its_launch_and_goes_when_it_stays_empty() -> None:
    cluster = world()
    cluster.scale(2)
    at(cluster, 600)
    cluster.scale(1)
    assert len(at(cluster, 659).nodes()) == 2
    assert len(at(cluster, 660).nodes()) == 1
    assert at(cluster, 1000).score().gpu_hours == pytest.approx((1000 + 658) / 3600)  # launched 2 s after the pod
    assert cluster.score().cost == pytest.approx(0.8 * cluster.score().gpu_hours)


def test_a_new_replica_finds_image_and_weights_on_a_node_that_had_them() -> None:
    cluster = world(2)
    at(cluster, 100)
    cluster.scale(1)
    at(cluster, 130)
    cluster.scale(2)
    assert cluster.pods()[1].phase is Phase.WARMING
    assert at(cluster, 230).pods()[1].ready
    assert len(cluster.nodes()) == 2


def test_a_replica_preempts_the_balloon_whose_node_holds_the_image() -> None:
    cluster = world()
    cluster.create_balloon("first", 3000)
    at(cluster, 300)
    cluster.create_balloon("second", 3000)
    at(cluster, 380)
    assert [(b.running, b.node is not None) for b in cluster.balloons()] == [(True, True), (False, True)]
    cluster.scale(2)
    first, second = cluster.balloons()
    assert (first.ended, second.ended) == (Ended.PREEMPTED, None)
    assert cluster.pods()[1].phase is Phase.LOADING
    assert at(cluster, 380 + 150).pods()[1].ready


def test_an_ended_balloon_never_runs() -> None:
    cluster = world()
    cluster.create_balloon("b", 3000)
    at(cluster, 100)
    cluster.scale(2)
    (balloon,) = at(cluster, 1000).balloons()
    assert (balloon.ended, balloon.running_seconds, balloon.node) == (Ended.PREEMPTED, None, None)
    # The pull that it had begun went on: 70 + 200 + 50 + 100.
    assert cluster.pods()[1].ready_seconds == START + 420


def test_a_node_that_comes_up_goes_to_a_replica_before_a_balloon() -> None:
    cluster = world(hardware=replace(SURE, max_nodes=2))
    cluster.create_balloon("b", 3000)
    at(cluster, 30)
    cluster.scale(2)
    at(cluster, 70)
    assert cluster.pods()[1].node == "gpu-node-1"
    assert cluster.balloons()[0].node is None
    assert len(at(cluster, 1000).nodes()) == 2


def test_every_pending_pod_gets_its_own_node() -> None:
    cluster = world()
    cluster.create_balloon("b", 3000)
    cluster.scale(4)
    assert len(at(cluster, 3).nodes()) == 5
    at(cluster, 30)
    cluster.scale(5)
    assert len(at(cluster, 33).nodes()) == 6


def test_a_balloon_ends_at_its_deadline_pending_or_not() -> None:
    cluster = world(hardware=replace(SURE, max_nodes=2))
    cluster.create_balloon("a", 300)
    cluster.create_balloon("b", 300)
    a, b = at(cluster, 299).balloons()
    assert a.running
    assert b.node is None
    assert [balloon.ended for balloon in at(cluster, 300).balloons()] == [Ended.DEADLINE, Ended.DEADLINE]
    assert len(at(cluster, 361).nodes()) == 1


def test_a_deleted_balloon_frees_its_node_for_a_waiting_replica() -> None:
    cluster = world(hardware=replace(SURE, max_nodes=2))
    cluster.create_balloon("b", 3000)
    at(cluster, 100)
    cluster.delete_balloon("b")
    assert cluster.balloons() == ()
    cluster.scale(2)
    assert cluster.pods()[1].node == "gpu-node-1"


def test_nodes_with_several_gpus_share_what_they_hold() -> None:
    cluster = world(hardware=replace(SURE, gpus_per_node=4, gpus_per_replica=2))
    cluster.scale(4)
    assert len(at(cluster, 99).nodes()) == 2
    first, *others = cluster.pods()
    assert others[0].ready_seconds is None
    assert others[0].node == first.node
    assert at(cluster, 420).supply().unplaced == 0
    # On the node that is up: 200 + 50 + 100 from the start. On the new one: all of it.
    assert [pod.ready_seconds for pod in cluster.pods()] == [START, START + 100, START + 420, START + 420]
    assert at(cluster, 3600).score().gpu_hours == pytest.approx(4 * (3600 + 3598) / 3600)


def test_the_pod_that_is_worth_least_is_deleted_first() -> None:
    cluster = world(2, hardware=replace(SURE, max_nodes=4))
    cluster.scale(3)
    at(cluster, 350)
    cluster.scale(5)
    at(cluster, 400)
    for left in ([0, 1, 2, 3], [0, 1, 2], [0, 1], [0]):
        cluster.scale(len(left))
        assert [pod.name for pod in cluster.pods()] == [f"llm-{ordinal}" for ordinal in left]


def test_a_pod_finishes_what_it_has_and_holds_its_node_meanwhile() -> None:
    arrivals = np.arange(0.0, 10.0, 0.25)
    cluster = World(scenario(arrivals, 2000, 300, replicas=2))
    at(cluster, 10)
    cluster.scale(1)
    assert [pod.phase for pod in cluster.pods()] == [Phase.SERVING, Phase.TERMINATING]
    assert len(cluster.samples()) == 1
    gone = at(cluster, 300).requests().finish_s[cluster.requests().pod == 1].max()
    assert gone > 30
    assert len(at(cluster, 1000).pods()) == 1
    score = cluster.score()
    assert (score.failed, score.unfinished) == (0, 0)
    assert score.gpu_hours == pytest.approx((1000 + gone + 60) / 3600)


def test_what_a_pod_cannot_finish_within_its_grace_fails() -> None:
    arrivals = np.zeros(700)
    cluster = World(scenario(arrivals, 1000, 300, replicas=2))
    at(cluster, 1)
    cluster.scale(1)
    assert at(cluster, 300).score().failed == 0
    score = at(cluster, 301).score()
    assert score.failed > 0
    assert score.p999_wait_seconds == np.inf
    assert len(cluster.pods()) == 1
    log = at(cluster, 2000).requests()
    assert set(log.pod[log.failed]) == {1}
    assert cluster.score().unfinished == 0
    assert int(np.isnan(log.finish_s).sum()) == score.failed


def test_requests_wait_for_the_first_replica() -> None:
    cluster = World(scenario([10.0, 20.0], replicas=0))
    at(cluster, 5)
    cluster.scale(1)
    assert at(cluster, 30).requests().pod.tolist() == [-1, -1]
    assert at(cluster, 30).score().unfinished == 2
    log = at(cluster, 1000).requests()
    assert log.wait_seconds[0] == pytest.approx(5 + 420 - 10)
    score = cluster.score()
    assert (score.cold_starts_met, score.share_within_5s) == (2, 0.0)


def test_waits_without_a_start_are_no_cold_starts() -> None:
    score = at(World(scenario(np.zeros(200), 1000, 100)), 1000).score()
    assert score.share_within_5s < 0.5
    assert score.cold_starts_met == 0


def test_two_policies_get_the_same_draws() -> None:
    lucky = replace(SURE, cold_start=replace(SURE.cold_start, node=replace(SURE.cold_start.node, p95_seconds=160.0)))
    first, second = world(hardware=lucky), world(hardware=lucky)
    first.scale(3)
    at(second, 500)
    second.scale(2)
    at(second, 700)
    second.scale(3)
    at(first, 3000)
    at(second, 3000)

    def node_seconds(cluster: World) -> list[float]:
        return [node.ready_seconds - node.requested_seconds for node in cluster.nodes() if node.ready_seconds]

    assert node_seconds(first) == pytest.approx(node_seconds(second))
    assert node_seconds(first)[1] != node_seconds(first)[2]


def test_the_same_commands_give_the_same_run() -> None:
    def run() -> World:
        random = np.random.default_rng(5)
        cluster = World(scenario(np.cumsum(random.exponential(0.2, 5000)), 900, 200, replicas=3))
        for minute in range(40):
            at(cluster, 60 * minute)
            cluster.scale(3 + minute % 4)
        return cluster

    first, second = run(), run()
    np.testing.assert_array_equal(first.requests().finish_s, second.requests().finish_s)
    assert first.score().gpu_hours == second.score().gpu_hours


def test_the_timeline_shows_the_replicas() -> None:
    cluster = world()
    at(cluster, 10)
    cluster.scale(2)
    at(cluster, 1000)
    timeline = cluster.score().timeline
    assert (timeline.seconds - START).tolist() == [0, 10, 12, 430]
    assert timeline.spec_replicas.tolist() == [1, 2, 2, 2]
    assert timeline.ready_replicas.tolist() == [1, 1, 1, 2]
    assert timeline.starting_replicas.tolist() == [0, 1, 1, 0]
    assert timeline.nodes.tolist() == [1, 1, 2, 2]


def test_wrong_commands_say_what_is_wrong() -> None:
    cluster = world()
    cluster.create_balloon("b", 60)
    with pytest.raises(ValueError, match="'b' exists already"):
        cluster.create_balloon("b", 60)
    with pytest.raises(KeyError, match="no balloon 'c'"):
        cluster.delete_balloon("c")
    with pytest.raises(ValueError, match="0 or more, not -1"):
        cluster.scale(-1)
    at(cluster, 10)
    with pytest.raises(ValueError, match="cannot go back"):
        cluster.advance(START)
    with pytest.raises(ValueError, match="the pool holds 0 to 64"):
        world(65)
