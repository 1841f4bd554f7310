"""Several workloads on shared nodes: offerings, stock-outs, standby, disks, removal and the bill.

Stages take exactly 70 (node, of which 2 reaction), 200 (image), 50 (weights) and 100 seconds (warm-up).
"""

import json
from dataclasses import asdict, replace
from itertools import pairwise

import numpy as np
import pytest

from crds.workload import WeightsMethod
from policies.pool import OfferingKind, StandbyPhase
from replay.contenders.view import View
from replay.scenario.actuators import Actuators
from replay.scenario.cluster import ClusterAutoscaler, Karpenter, Outage, Reclaims, SimOffering, StockOuts
from replay.sim.cluster import Cluster
from replay.sim.stock import Stock
from replay.sim.views import Ended, Phase
from replay.sim.world import World
from tests.replay.sim.clusters import ON_DEMAND, SPOT, at, cluster, shared, workload
from tests.replay.sim.scenarios import START, SURE, exactly, scenario

NEVER_IDLE = Karpenter(idle_seconds=1e6)


def offerings_of(found: Cluster) -> list[str]:
    return [node.offering for node in found.nodes()]


# ---------------------------------------------------------------- one workload and several


def test_one_workload_in_a_cluster_is_the_world_that_it_has_to_itself() -> None:
    random = np.random.default_rng(3)
    arrivals = np.cumsum(random.exponential(0.3, 4000))
    lucky = replace(SURE, cold_start=replace(SURE.cold_start, node=replace(SURE.cold_start.node, p95_seconds=160.0)))
    alone = World(scenario(arrivals, 900, 200, hardware=lucky, replicas=2, seed=4))
    offering = SimOffering("any", OfferingKind.ON_DEMAND, lucky.price_per_gpu_hour, 1)
    member = replace(workload("llm"), scenario=scenario(arrivals, 900, 200, hardware=lucky, replicas=2, seed=4))
    among = cluster(member, offerings=[offering], seed=4).workload("llm")
    for world in (alone, among):
        for minute in range(50):
            world.advance(START + 60.0 * minute)
            world.scale(2 + minute % 3)
    np.testing.assert_array_equal(alone.requests().finish_s, among.requests().finish_s)
    first, second = alone.score(), among.score()
    assert second.gpu_hours < first.gpu_hours  # what it held, without the nodes that come and go
    assert replace(first, timeline=second.timeline, gpu_hours=second.gpu_hours, cost=second.cost) == second
    assert alone.pods() == among.pods()


def test_workloads_have_their_own_traffic_and_engines_and_share_nodes() -> None:
    found = cluster(workload("chat", arrivals=[1.0, 2.0]), workload("code", arrivals=[1.0, 2.0, 3.0]))
    chat, code = found.workload("chat"), found.workload("code")
    at(found, 100)
    assert (chat.now_seconds, code.now_seconds) == (START + 100, START + 100)
    assert (chat.score().requests, code.score().requests) == (2, 3)
    assert (chat.score().unfinished, code.score().unfinished) == (0, 0)
    assert [node.occupants for node in View(code).nodes()] == [("chat-0",), ("code-0",)]
    assert [node.has_image for node in chat.nodes()] == [True, False]
    assert [node.has_image for node in found.nodes()] == [True, True]
    assert found.workload("chat") is chat
    chat.advance(START + 200.0)
    assert found.now_seconds == code.now_seconds == START + 200


def test_a_replica_goes_to_the_node_that_another_workload_left_and_brings_its_own_model() -> None:
    found = cluster(workload("chat", replicas=2), workload("code"))
    at(found, 100)
    found.workload("chat").scale(1)
    at(found, 110)
    found.workload("code").scale(2)
    assert found.nodes()[1].occupants == ("code-1",)
    assert found.workload("code").pods()[1].phase is Phase.PULLING
    pod = at(found, 110 + 350).workload("code").pods()[1]
    assert pod.ready
    assert found.score().switches == 1
    # What chat had there is still on its disk.
    found.workload("code").scale(1)
    found.workload("chat").scale(2)
    assert found.workload("chat").pods()[1].phase is Phase.WARMING
    assert found.score().switches == 2


def test_workloads_with_one_image_share_it_on_a_node_but_not_the_weights() -> None:
    found = cluster(workload("chat", replicas=2, image="vllm"), workload("code", image="vllm"))
    at(found, 100)
    found.workload("chat").scale(1)
    found.workload("code").scale(2)
    assert found.workload("code").pods()[1].phase is Phase.LOADING
    assert at(found, 250).workload("code").pods()[1].ready


def test_a_smaller_replica_is_packed_beside_others() -> None:
    large = replace(SURE, gpus_per_replica=4)
    node = replace(ON_DEMAND, gpus_per_node=8)
    found = cluster(workload("chat", hardware=large), workload("code", replicas=2), offerings=[node])
    assert [len(node.occupants) for node in found.nodes()] == [3]
    found.workload("code").scale(4)
    found.workload("chat").scale(2)
    assert len(at(found, 3).nodes()) == 2
    assert sorted(len(node.occupants) for node in at(found, 500).nodes()) == [1, 5]


def test_the_first_that_waits_is_the_first_that_is_placed() -> None:
    found = cluster(workload("chat", replicas=1), workload("code"), offerings=[replace(ON_DEMAND, max_nodes=3)])
    found.workload("code").scale(2)
    at(found, 10)
    found.workload("chat").scale(2)
    at(found, 72)
    assert found.workload("code").pods()[1].node == "gpu-node-2"
    assert found.workload("chat").pods()[1].phase is Phase.UNPLACED


def test_the_pull_of_one_image_waits_for_another_on_the_same_node() -> None:
    large = replace(ON_DEMAND, gpus_per_node=2)
    found = cluster(workload("chat", replicas=0), workload("code", replicas=0), offerings=[large])
    found.workload("chat").scale(1)
    found.workload("code").scale(1)
    at(found, 100)
    assert len(found.nodes()) == 1
    assert at(found, 420).workload("chat").pods()[0].ready
    pod = at(found, 1000).workload("code").pods()[0]
    assert (pod.image_ready_seconds, pod.ready_seconds) == (START + 70 + 400, START + 70 + 400 + 150)


# ---------------------------------------------------------------- offerings


def test_offerings_are_asked_in_their_order_up_to_their_limits() -> None:
    found = cluster(workload("chat", replicas=3), workload("code"))
    assert offerings_of(found) == ["spot"] * 4
    found.workload("code").scale(3)
    at(found, 3)
    assert offerings_of(found) == ["spot"] * 4 + ["on-demand"] * 2
    assert [(each.nodes, each.in_flight) for each in found.offerings()] == [(4, 0), (2, 2)]


def test_a_limit_of_gpus_holds_for_all_offerings_together() -> None:
    found = cluster(workload("chat", replicas=2), max_gpus=3)
    found.workload("chat").scale(6)
    assert len(at(found, 300).nodes()) == 3
    found.workload("chat").scale(1)
    at(found, 600)
    assert len(found.nodes()) == 1


def test_a_workload_lands_only_where_its_template_lets_it() -> None:
    found = cluster(workload("chat", offerings=("on-demand",)), workload("code"))
    assert offerings_of(found) == ["on-demand", "spot"]
    found.create_standby("s", "spot", 3000)
    found.workload("chat").scale(2)
    at(found, 100)
    assert offerings_of(found) == ["on-demand", "spot", "on-demand", "spot"] or len(found.nodes()) == 4
    assert [unit.phase for unit in found.standby()] == [StandbyPhase.READY]


def test_each_offering_has_its_own_node_stage() -> None:
    slow = replace(SPOT, node=exactly(300), gpu=exactly(30))
    found = cluster(workload("chat", replicas=0), offerings=[slow, ON_DEMAND])
    found.workload("chat").scale(5)
    at(found, 1000)
    ready = [(node.offering, (node.ready_seconds or 0.0) - node.requested_seconds) for node in found.nodes()]
    assert ready == [("spot", 328.0)] * 4 + [("on-demand", 68.0)]


def test_bills_are_from_launch_to_termination_by_offering() -> None:
    found = cluster(workload("chat"), workload("code"), offerings=[replace(SPOT, max_nodes=2), ON_DEMAND])
    found.workload("code").scale(2)
    score = at(found, 3600).score()
    spot, on_demand = score.offerings
    assert spot.gpu_hours == pytest.approx(2.0)
    assert on_demand.gpu_hours == pytest.approx(3598 / 3600)  # launched 2 s after the pod
    assert [spot.cost, on_demand.cost] == pytest.approx([1.0, 2 * 3598 / 3600])
    assert score.cost == pytest.approx(spot.cost + on_demand.cost)
    assert (spot.nodes_launched, on_demand.nodes_launched) == (2, 1)
    chat, code = (each for _, each in score.workloads)
    assert [chat.gpu_hours, chat.cost] == pytest.approx([1.0, 0.5])
    assert code.gpu_hours == pytest.approx((3600 + 3530) / 3600)  # held from the moment it has a node
    assert code.cost == pytest.approx(0.5 + 2 * 3530 / 3600)
    assert (chat.nodes_launched, code.nodes_launched) == (1, 2)


# ---------------------------------------------------------------- stock-outs

OUT = (Outage("spot", START, START + 1000.0),)


def test_karpenter_falls_to_the_next_offering_and_remembers_the_refusal() -> None:
    found = cluster(outages=OUT)
    found.workload("chat").scale(2)
    spot, on_demand = at(found, 3).offerings()
    assert (spot.claims, spot.nodes, on_demand.nodes) == (1, 2, 0)
    spot, _ = at(found, 6).offerings()
    assert (spot.claims, spot.refused, spot.refused_seconds) == (0, 1, START + 6)
    _, on_demand = at(found, 8).offerings()  # the pods that wait are looked at again
    assert (on_demand.nodes, on_demand.in_flight) == (1, 1)
    found.workload("chat").scale(3)
    at(found, 12)
    assert [each.refused for each in found.offerings()] == [1, 0]  # not asked again for 3 min
    at(found, 200)
    found.workload("chat").scale(4)
    assert [each.refused for each in at(found, 207).offerings()] == [2, 0]
    assert found.score().refused == 2
    assert offerings_of(at(found, 300)) == ["spot", "spot"] + ["on-demand"] * 3


def test_an_offering_that_has_nodes_again_is_the_first_again() -> None:
    found = cluster(outages=[Outage("spot", START, START + 100.0)])
    found.workload("chat").scale(2)
    at(found, 250)
    found.workload("chat").scale(3)
    assert offerings_of(at(found, 260)) == ["spot", "spot", "on-demand", "spot"]


def test_where_no_offering_has_nodes_the_first_that_may_be_asked_again_is() -> None:
    out = [Outage("spot", START), Outage("on-demand", START, START + 50.0)]
    found = cluster(outages=out)
    found.workload("chat").scale(2)
    at(found, 150)
    assert [each.refused for each in found.offerings()] == [1, 1]
    assert found.workload("chat").pods()[1].phase is Phase.UNPLACED
    at(found, 6 + 180 + 2 + 4 + 2 + 1)  # spot refuses once more, and on-demand has what it lacked
    assert [each.refused for each in found.offerings()] == [2, 1]
    assert offerings_of(found) == ["spot", "spot", "on-demand"]


def test_the_cluster_autoscaler_backs_off_twice_as_long_each_time() -> None:
    scans = ClusterAutoscaler()
    found = cluster(outages=[Outage("spot", START)], offerings=[SPOT], autoscaler=scans)
    found.workload("chat").scale(2)
    refused = []
    for second in range(0, 3600, 5):
        at(found, second)
        seen = found.offerings()[0].refused_seconds
        if seen is not None and seen not in refused:
            refused.append(seen)
    assert [round(later - earlier) for earlier, later in pairwise(refused)] == [330, 630, 1230]
    assert (refused[0] - START) % 10 == 0


def test_stock_outs_are_drawn_from_the_seed_alone() -> None:
    drawn = StockOuts(600.0, 300.0, ("spot",))
    found = [Stock(shared(stockouts=drawn, seed=seed)) for seed in (0, 0, 1)]
    seconds = [START + second for second in range(3600)]
    out = [[stock.refuses("spot", second) for second in seconds] for stock in found]
    assert out[0] == out[1] != out[2]
    assert 0 < sum(out[0]) < 3600
    assert not any(found[0].refuses("on-demand", second) for second in seconds)


# ---------------------------------------------------------------- spot


def test_a_spot_node_is_taken_back_with_notice_and_its_replica_replaced_at_once() -> None:
    found = cluster(workload("chat", arrivals=np.arange(0.0, 3000.0, 0.5).tolist()), reclaims=Reclaims(900.0, 120.0))
    chat = found.workload("chat")
    while all(node.notice_seconds is None for node in found.nodes()):
        at(found, found.now_seconds - START + 1.0)
    (node,) = [node for node in found.nodes() if node.notice_seconds is not None]
    noticed = node.notice_seconds or 0.0
    assert found.offerings()[0].leaving == 1
    assert [pod.phase for pod in chat.pods()] in ([Phase.TERMINATING, Phase.UNPLACED], [Phase.UNPLACED])
    found.advance(noticed + 119.0)
    assert node.name in [each.name for each in found.nodes()]
    found.advance(noticed + 121.0)
    assert node.name not in [each.name for each in found.nodes()]
    assert len(chat.pods()) == chat.spec_replicas == 1
    assert found.score().offerings[0].reclaimed == 1


def test_what_a_replica_cannot_finish_before_its_node_is_taken_back_fails() -> None:
    many = workload("chat", arrivals=[0.0] * 300, output=900)
    found = cluster(many, reclaims=Reclaims(60.0, 30.0), offerings=[SPOT])
    at(found, 3600)
    score = found.workload("chat").score()
    assert score.failed > 0
    assert score.requests == 300


def test_a_replica_that_drains_already_fails_with_its_node() -> None:
    many = workload("chat", arrivals=[0.0] * 600, output=900)
    kept = cluster(many, reclaims=None, offerings=[SPOT])
    lost = cluster(many, reclaims=Reclaims(60.0, 30.0), offerings=[SPOT])
    for found in (kept, lost):
        at(found, 1)
        found.workload("chat").scale(0)
        at(found, 1000)
    assert lost.score().offerings[0].reclaimed == 1
    assert lost.workload("chat").score().failed > kept.workload("chat").score().failed
    log = lost.workload("chat").requests()
    assert int(log.failed.sum() + np.isfinite(log.finish_s).sum()) == 600


def test_on_demand_nodes_stay() -> None:
    found = cluster(offerings=[ON_DEMAND], reclaims=Reclaims(10.0))
    assert [node.name for node in at(found, 3600).nodes()] == ["gpu-node-0", "gpu-node-1"]


def test_standby_on_a_node_with_notice_is_leaving_and_taken_by_nobody() -> None:
    found = cluster(workload("chat", offerings=("on-demand",)), reclaims=Reclaims(600.0))
    found.create_standby("s", "spot", 1e6)
    at(found, 80)
    while found.nodes()[-1].notice_seconds is None:
        at(found, found.now_seconds - START + 1.0)
    (unit,) = found.standby()
    assert unit.phase is StandbyPhase.LEAVING
    found.advance(found.now_seconds + 121.0)
    assert found.standby() == ()
    assert found.score().standby_wasted_gpu_hours == found.score().standby_gpu_hours > 0


# ---------------------------------------------------------------- standby


def test_a_standby_unit_is_a_whole_node_and_goes_through_its_phases() -> None:
    node = replace(ON_DEMAND, gpus_per_node=2, gpu=exactly(30), node=exactly(70))
    found = cluster(workload("chat", replicas=2), offerings=[node])
    found.create_standby("s", "on-demand", 3000)
    seen = {second: at(found, second).standby()[0] for second in (0, 69, 70, 99, 100)}
    phases = [StandbyPhase.REQUESTED, StandbyPhase.REQUESTED, StandbyPhase.STARTING, StandbyPhase.STARTING]
    assert [each.phase for each in seen.values()] == [*phases, StandbyPhase.READY]
    assert [each.node for each in seen.values()] == [
        None,
        None,
        *["gpu-node-1"] * 3,
    ]  # it pays for one node, not for two
    (unit,) = found.standby()
    assert (unit.node, unit.since_seconds, unit.images) == ("gpu-node-1", START + 100, 0)
    assert found.nodes()[1].occupants == ("s",)


@pytest.mark.parametrize("name", ["chat", "code"])
def test_any_workload_takes_a_standby_node_at_once(name: str) -> None:
    found = cluster()
    found.create_standby("s", "on-demand", 3000)
    at(found, 200)
    found.workload(name).scale(2)
    pod = found.workload(name).pods()[1]
    assert (pod.node, pod.scheduled_seconds) == ("gpu-node-2", START + 200)
    assert found.standby() == ()
    score = found.score()
    assert (score.standby_taken, score.standby_wasted_gpu_hours) == (1, 0.0)
    assert score.standby_gpu_hours == pytest.approx(130 / 3600)
    assert len(at(found, 300).nodes()) == 3


def test_what_of_a_large_standby_node_is_left_serves_others() -> None:
    found = cluster(offerings=[replace(ON_DEMAND, gpus_per_node=2)])
    found.create_standby("s", "on-demand", 3000)
    at(found, 100)
    found.workload("chat").scale(2)
    found.workload("code").scale(2)
    assert found.nodes()[1].occupants == ("chat-1", "code-1")
    assert found.score().standby_taken == 1


def test_standby_that_nobody_takes_is_wasted() -> None:
    found = cluster()
    found.create_standby("s", "on-demand", 500)
    found.create_standby("t", "on-demand", 3000)
    at(found, 400)
    assert found.score().standby_wasted_gpu_hours == pytest.approx(2 * 330 / 3600)
    found.delete_standby("t")
    assert [unit.name for unit in found.standby()] == ["s"]
    at(found, 1000)
    assert found.standby() == ()
    assert found.score().standby_gpu_hours == pytest.approx((430 + 330) / 3600)
    assert len(found.nodes()) == 2


def test_a_refused_unit_says_so_until_a_node_is_on_its_way() -> None:
    found = cluster(outages=[Outage("on-demand", START, START + 100.0)])
    found.create_standby("s", "on-demand", 3000)
    assert at(found, 5).standby()[0].phase is StandbyPhase.REQUESTED
    (unit,) = at(found, 7).standby()
    assert (unit.phase, unit.since_seconds) == (StandbyPhase.REFUSED, START + 6)
    assert at(found, 189).standby()[0].phase is StandbyPhase.REQUESTED  # asked again after 3 min
    assert at(found, 300).standby()[0].phase is StandbyPhase.READY


def test_a_node_that_a_replica_leaves_becomes_standby() -> None:
    found = cluster(workload("chat", replicas=2))
    found.create_standby("s", "spot", 3000)
    at(found, 1)
    found.workload("chat").scale(1)
    assert found.standby()[0].phase is StandbyPhase.READY
    assert found.standby()[0].images == 1


def test_a_balloon_of_one_workload_gives_way_to_another() -> None:
    found = cluster()
    found.workload("chat").create_balloon("b", 3000)
    at(found, 300)
    found.workload("code").scale(2)
    (balloon,) = found.workload("chat").balloons()
    assert balloon.ended is Ended.PREEMPTED
    assert found.workload("code").pods()[1].node == "gpu-node-2"


# ---------------------------------------------------------------- what is on the disk


def test_a_pull_brings_image_and_weights_of_a_workload_onto_a_standby_node() -> None:
    found = cluster()
    found.create_standby("s", "on-demand", 3000)
    at(found, 10)
    found.pull("gpu-node-2", "code")  # it has not registered yet
    found.pull("gpu-node-2", "code")
    assert found.pulled("gpu-node-2") == ("code",)
    assert at(found, 70 + 1.15 * 200 - 1).standby()[0].images == 0
    assert at(found, 70 + 1.15 * 200).standby()[0].images == 1
    found.workload("code").scale(2)
    assert at(found, 400).workload("code").pods()[1].ready


def test_a_replica_waits_for_weights_that_are_on_their_way() -> None:
    slow = replace(SURE, cold_start=replace(SURE.cold_start, weights=exactly(600)))
    found = cluster(workload("chat", hardware=slow))
    found.create_standby("s", "on-demand", 3000)
    at(found, 100)
    found.pull("gpu-node-1", "chat")
    at(found, 500)
    found.workload("chat").scale(2)
    at(found, 600)
    found.workload("chat").scale(1)  # its pod goes: the weights come all the same
    found.workload("chat").scale(2)
    pod = at(found, 1000).workload("chat").pods()[1]
    assert pod.started_seconds == pytest.approx(START + 100 + 1.15 * 600)


def test_actuators_work_on_the_node_that_is_launched_for_their_workload() -> None:
    both = Actuators(pre_pull=True, weights=WeightsMethod.PREFETCH)
    found = cluster(workload("chat", actuators=both), workload("code"))
    found.workload("chat").scale(2)
    at(found, 100)
    assert found.pulled("gpu-node-2") == ("chat",)
    assert at(found, 70 + 230 + 100).workload("chat").pods()[1].ready
    # On a node that another workload left, they begin with the replica.
    found.workload("code").scale(2)
    at(found, 900)
    found.workload("code").scale(1)
    found.workload("chat").scale(3)
    assert at(found, 900 + 230 + 100).workload("chat").pods()[2].ready


def test_a_full_disk_drops_what_was_used_least_lately() -> None:
    members = [workload(name, image_bytes=10e9, weights_bytes=20e9) for name in ("chat", "code", "docs")]
    found = cluster(*members, disk_bytes=65e9)
    found.create_standby("s", "on-demand", 3000)
    for second, name in ((100, "chat"), (500, "code"), (900, "docs")):
        at(found, second)
        found.pull("gpu-node-3", name)
    assert found.pulled("gpu-node-3") == ("code", "docs")
    at(found, 1300)
    found.workload("code").scale(2)  # in use: it stays, and docs goes
    found.pull("gpu-node-3", "chat")
    assert found.pulled("gpu-node-3") == ("chat", "code")


# ---------------------------------------------------------------- removal


def test_karpenter_removes_a_node_that_stays_empty() -> None:
    found = cluster(workload("chat", replicas=2), autoscaler=Karpenter(idle_seconds=30.0))
    at(found, 100)
    found.workload("chat").scale(1)
    assert len(at(found, 129).nodes()) == 2
    assert len(at(found, 130).nodes()) == 1
    assert found.score().gpu_hours == pytest.approx((130 + 130) / 3600)


def test_the_cluster_autoscaler_removes_what_is_unneeded_at_every_scan_of_ten_minutes() -> None:
    found = cluster(workload("chat", replicas=2), autoscaler=ClusterAutoscaler())
    at(found, 103)
    found.workload("chat").scale(1)
    assert len(at(found, 709).nodes()) == 2
    assert len(at(found, 710).nodes()) == 1


def test_the_cluster_autoscaler_launches_at_a_scan() -> None:
    found = cluster(workload("chat"), autoscaler=ClusterAutoscaler())
    at(found, 3)
    found.workload("chat").scale(2)
    assert len(at(found, 9).nodes()) == 1
    assert at(found, 10).nodes()[1].requested_seconds == START + 10


# ---------------------------------------------------------------- the whole


def test_the_same_commands_give_the_same_run() -> None:
    def run() -> dict[str, object]:
        random = np.random.default_rng(5)
        members = [
            workload(
                name, arrivals=np.cumsum(random.exponential(2.0, 1500)).tolist(), weights_bytes=4e9, image_bytes=1e9
            )
            for name in ("chat", "code", "docs")
        ]
        found = cluster(
            *members,
            disk_bytes=8e9,
            reclaims=Reclaims(900.0),
            stockouts=StockOuts(600.0, 300.0),
            seed=2,
        )
        for minute in range(60):
            at(found, 60 * minute)
            for index, name in enumerate(("chat", "code", "docs")):
                found.workload(name).scale(1 + (minute // (7 + index)) % 3)
            if minute % 9 == 0:
                found.create_standby(f"s{minute}", "on-demand", 600)
            assert all(len(node.occupants) <= node.gpus for node in found.nodes())
        score = found.score()
        return {
            "score": json.dumps([asdict(each) for each in score.offerings]),
            "waits": [found.workload(name).score().p99_wait_seconds for name, _ in score.workloads],
            "standby": (score.standby_gpu_hours, score.standby_wasted_gpu_hours, score.switches),
        }

    first = run()
    assert first == run()


def test_what_does_not_fit_together_is_named() -> None:
    large = replace(SURE, gpus_per_replica=8)
    for wrong, said in (
        (lambda: shared(workload("a"), workload("a")), "workload a is there 2 times"),
        (lambda: shared(offerings=[SPOT, SPOT]), "offering spot is there 2 times"),
        (lambda: shared(workload("a", offerings=("other",))), "names offering other; there are"),
        (lambda: shared(outages=(Outage("other", START),)), "an outage names offering other"),
        (
            lambda: shared(workload("a", hardware=large)),
            "no node of an offering holds a replica of workload a, of 8 GPUs",
        ),
        (lambda: shared(workload("a", image_bytes=2e9), disk_bytes=1e9), "a disk of 1 GB does not hold the 2 GB"),
        (lambda: shared(stockouts=StockOuts(600.0, 0.0)), "the time of a stock-out must be above 0, not 0"),
        (lambda: shared(reclaims=Reclaims(0.0)), "the time between reclaims must be above 0, not 0"),
        (lambda: shared(offerings=[replace(SPOT, gpus_per_node=0)]), "offering spot's GPUs of a node must be above 0"),
        (lambda: shared(offerings=[]), "needs a workload and an offering"),
        (lambda: cluster(workload("a", replicas=9)), "the nodes do not hold the replicas that a begins with"),
    ):
        with pytest.raises(ValueError, match=said):
            wrong()
    found = cluster()
    found.create_standby("s", "spot", 60)
    with pytest.raises(ValueError, match="'s' exists already"):
        found.create_standby("s", "spot", 60)
    for command in (
        lambda: found.create_standby("t", "other", 60),
        lambda: found.delete_standby("t"),
        lambda: found.workload("t"),
        lambda: found.pull("t", "chat"),
        lambda: found.pull("gpu-node-0", "t"),
        lambda: found.pulled("t"),
    ):
        with pytest.raises(KeyError, match=r"'(t|other)'; there are"):
            command()
    with pytest.raises(ValueError, match="cannot go back"):
        found.advance(START - 1.0)
