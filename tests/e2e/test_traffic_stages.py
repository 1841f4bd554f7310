"""What the traffic test computes from its observations, without a cluster."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crds.profiles import PROFILES
from replay.scenario.scenario import L4_8B, Scenario
from replay.traces.trace import Requests
from tests.e2e.harness.cluster import RATE
from tests.e2e.standin import traffic
from tests.e2e.standin.spec import ServiceSpec
from tests.e2e.traffic import scene
from tests.e2e.traffic.burst import Burst, burst
from tests.e2e.traffic.stages import Spread, after_need, climbed, first_reached, ladder, landings, lasted
from tests.e2e.traffic.tables import Climb, Result, document, text
from tests.e2e.traffic.watch import NodeLifetime, Seen


def _pod(created: float, node: str | None = None, **times: float) -> dict[str, Any]:
    empty = dict.fromkeys(("scheduled", "image_ready", "weights_ready", "ready", "deleted"))
    return {**empty, "created": created, "node": node, **times}


def _whole(created: float, node: str, **times: float) -> dict[str, Any]:
    steps = {"scheduled": created + 10, "image_ready": created + 20, "weights_ready": created + 24}
    return _pod(created, node, **steps, ready=created + 30, **times)


def test_a_level_is_reached_once_so_many_replicas_are_there_at_the_same_time() -> None:
    changes = [(0.0, 2), (5.0, 1), (9.0, 3)]
    assert first_reached(changes, -1.0) == {1: 0.0, 2: 0.0, 3: 9.0}
    assert first_reached(changes, 6.0) == {1: 6.0, 2: 9.0, 3: 9.0}
    assert first_reached(changes, 60.0) == {1: 60.0, 2: 60.0, 3: 60.0}
    pods = [_whole(0.0, "a", deleted=100.0), _whole(200.0, "b"), _whole(210.0, "c")]
    climbed = ladder(pods, {"a": -50.0, "b": 207.0, "c": 205.0}, -60.0)
    assert climbed["pod made"] == {1: 0.0, 2: 210.0}
    assert climbed["node ready"] == {1: 0.0, 2: 210.0}  # c's was ready before there was a pod for it
    assert climbed["serving"] == {1: 30.0, 2: 240.0}


def test_a_replica_taken_back_on_its_way_reaches_nothing() -> None:
    climbed = ladder([_pod(0.0, deleted=5.0)], {}, -1.0)
    assert climbed["pod made"] == {1: 0.0}
    assert climbed["bound"] == climbed["node ready"] == climbed["serving"] == {}


def test_a_deployment_was_asked_no_later_than_its_pod_was_made() -> None:
    found = climbed([_pod(7.6)], {}, [(0.0, 0), (8.0, 1), (9.0, 2)], [(6.0, 1)], 0.0)
    assert found["asked of the Deployment"] == {1: 7.6, 2: 9.0}
    assert found["decided"] == {1: 6.0}


def test_a_decision_that_lasted_and_was_not_followed_is_reported() -> None:
    asked = [(0.0, 10), (13.0, 12)]
    assert landings([(1.0, 10), (10.0, 12)], asked, 60.0, 12.0) == ([3.0], [])
    assert landings([(10.0, 12), (30.0, 11), (40.0, 14)], asked, 60.0, 12.0) == ([3.0], [(40.0, 14)])


def test_seconds_after_the_need_are_negative_where_a_stage_came_first() -> None:
    found = after_need({3: 100.0, 4: 110.0, 5: 120.0}, {"decided": {3: 90.0, 4: 110.0}, "serving": {3: 140.0}})
    assert found["decided"] == Spread(median=-5.0, worst=0.0, count=2)
    assert found["serving"] == Spread(40.0, 40.0, 1)
    assert found["bound"] is None


def test_stages_of_the_replicas_that_serve_add_up_to_their_whole_time() -> None:
    found = lasted([_whole(200.0, "b"), _pod(300.0, "b")], {"b": 207.0})
    assert {name: each and each.median for name, each in found.items()} == {
        "node ready": 7.0,
        "bound": 3.0,
        "image there": 10.0,
        "weights there": 4.0,
        "serving": 6.0,
    }


def test_the_burst_is_the_rise_to_the_most_work_of_half_a_minute() -> None:
    each_seconds = L4_8B.work_seconds(500, 200)
    arrival = np.concatenate((np.arange(0, 60, 2 * each_seconds), np.arange(60, 120, each_seconds / 2.5)))
    same = np.ones(len(arrival), np.int64)
    found = burst(Scenario("steps", 0.0, 120.0, Requests(arrival, 500 * same, 200 * same), None, L4_8B, 0, 1))
    assert found.least == 1
    assert 60.0 <= found.starts_seconds < found.levels[2] < found.levels[3] <= 95.0
    assert set(found.levels) == {2, 3}


def test_nodes_are_paid_from_their_claim_to_its_end_within_the_traffic() -> None:
    spans = {"a": (-100.0,), "b": (1800.0, 2700.0), "c": (3500.0, 9000.0), "d": (9000.0,)}
    nodes = {name: NodeLifetime(*span) for name, span in spans.items()}
    assert Seen(nodes=nodes).gpu_hours(0.0, 3600.0) == pytest.approx(1.0 + 0.25 + 100 / 3600)


def test_every_period_and_every_stage_is_a_fifth() -> None:
    cold, found = PROFILES[scene.PROFILE].cold_start, scene.stages()
    ours = scene.registration_seconds() + found.image_seconds + found.weights_seconds + found.warmup_seconds
    theirs = sum(stage.p50_seconds for stage in cold.stages)
    assert ours * RATE == pytest.approx(theirs, abs=scene.SCHEDULING_SECONDS)
    spec = scene.reactive_scaled_object("ns", "llm", "http://127.0.0.1:1")["spec"]
    assert spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"] == {
        "scaleUp": {
            "stabilizationWindowSeconds": 6,
            "selectPolicy": "Max",
            "policies": [{"type": "Pods", "value": 2, "periodSeconds": 12}],
        },
        "scaleDown": {
            "stabilizationWindowSeconds": 60,
            "selectPolicy": "Max",
            "policies": [{"type": "Pods", "value": 1, "periodSeconds": 24}],
        },
    }
    assert spec["pollingInterval"] == 6
    assert spec["triggers"][0]["metadata"]["query"] == 'sum(vllm:num_requests_waiting{namespace="ns"})'
    assert scene.DURATION_SECONDS / RATE == 600.0


def test_the_tables_show_the_wall_s_seconds_and_the_scenario_s() -> None:
    result = Result("Outrider", 10, 0.9, 1.0, None, 0, 1.5, 3, 12, None)
    spreads = {"decided": Spread(-2.0, 1.0, 3), "serving": None}
    climb = Climb("Outrider", spreads, {"serving": Spread(9.2, 9.4, 2)})
    rise = Burst(690.0, 10, {11: 695.0, 12: 750.0})
    shown = text([result], [climb], rise)
    assert "-2.0 (+1.0)" in shown
    assert "-10.0 (+5.0)" in shown
    assert "46.0 (47.0)" in shown
    assert "infinite" in shown
    assert "11 to 12 replicas" in " ".join(shown.split())
    assert document([result], [climb], rise)["wall_seconds"][0]["after_need"]["decided"]["median"] == -2.0


def test_the_simulation_plays_what_the_cluster_plays(shared: Path) -> None:
    """Takes two seconds to read the recorded traffic twice: the figures of the two are compared, so their requests must be equal."""
    metadata = {"name": "llm", "namespace": "ns"}
    kind = {"apiVersion": "outrider.dev/v1alpha1", "kind": "ScalingPolicy"}
    simulated = scene.scenario(
        {**kind, "metadata": metadata, "spec": {**scene.POLICY, "target": {"name": "llm"}}}, shared
    )
    body = {**asdict(scene.stages()), "selector": {"app": "llm"}, "port": 1, "hardware": scene.PROFILE}
    played = traffic.scenario(ServiceSpec.model_validate({**body, "traffic": {"rate": RATE, **scene.traffic(shared)}}))
    assert np.array_equal(simulated.requests.arrival_s, played.requests.arrival_s)
    assert np.array_equal(simulated.requests.output_tokens, played.requests.output_tokens)
    assert len(burst(simulated).levels) >= 6, "no burst that needs several more replicas"
