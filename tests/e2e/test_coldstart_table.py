"""What the burst test plays and computes, without a cluster."""

import math
from pathlib import Path
from typing import Any

import pytest

from crds.profiles import PROFILES
from tests.e2e.coldstart import cells
from tests.e2e.coldstart.cells import AFTER, BEFORE, Kind, Way
from tests.e2e.coldstart.table import STAGES, medians, shares, text
from tests.e2e.harness.cluster import RATE
from tests.e2e.standin import traffic
from tests.e2e.standin.spec import ServiceSpec
from tests.e2e.traffic.burst import burst

NEED = dict.fromkeys(range(1, AFTER + 1), 100.0)


def _pod(created: float, node: str, took: float) -> dict[str, Any]:
    """A replica whose four stages after its node take as long each."""
    stages = ("scheduled", "image_ready", "weights_ready", "ready")
    return {"created": created, "deleted": None, "node": node} | {
        stage: created + (i + 1) * took for i, stage in enumerate(stages)
    }


def test_a_stage_s_figure_is_the_median_of_the_replicas_that_were_added() -> None:
    machines = {"old": {"ready": 0.0, "gpu_ready": 0.0}, "new": {"ready": 110.0, "gpu_ready": 112.0}}
    pods = [_pod(1.0, "old", 1.0) for _ in range(BEFORE)]
    pods += [_pod(104.0, "new", 4.0) for _ in range(AFTER - BEFORE)]
    found = medians(pods, machines, NEED)
    assert found == dict(zip(STAGES, (4.0, 10.0, 12.0, 8.0, 12.0, 16.0, 20.0), strict=True))


def test_what_fewer_than_half_have_reached_is_not_yet_known() -> None:
    machines = {"old": {"ready": 0.0, "gpu_ready": None}}
    pods = [_pod(1.0, "old", 1.0) for _ in range(BEFORE)] + [_pod(104.0, "none", 4.0)]
    found = medians(pods, machines, NEED)
    assert math.isinf(found["serving"])
    every = {(kind, way): found for kind in Kind for way in Way}
    assert "not yet" in text(every | {(Kind.STOCK, Way.SERIAL): dict.fromkeys(STAGES, 100.0)})


def test_shares_are_of_the_serial_start_with_a_stock_image() -> None:
    found = {(kind, way): dict.fromkeys(STAGES, 50.0) for kind in Kind for way in Way}
    found[Kind.STOCK, Way.SERIAL] = dict.fromkeys(STAGES, 100.0)
    assert set(shares(found).values()) == {0.5}


def test_the_stages_are_a_fifth_of_the_profile_s() -> None:
    ours = cells.REGISTRATION_SECONDS + cells.DRIVER_SECONDS + cells.IMAGE_SECONDS
    ours += cells.WEIGHTS_SECONDS + cells.WARMUP_SECONDS
    cold = PROFILES["8b-l4"].cold_start
    theirs = sum(each.p50_seconds for each in (cold.node, cold.gpu, cold.image, cold.weights, cold.warmup) if each)
    assert ours * RATE == pytest.approx(theirs, abs=5.0)


def test_the_traffic_comes_to_need_14_replicas(tmp_path: Path) -> None:
    body = {"selector": {"app": "llm"}, "port": 1, "image_seconds": 0, "weights_seconds": 0, "warmup_seconds": 0}
    played, levels = cells.write_burst(tmp_path / "burst.csv")
    scenario = traffic.scenario(ServiceSpec.model_validate({**body, "traffic": {"rate": RATE, **played}}))
    assert burst(scenario).levels == levels
    assert max(levels) == AFTER
    assert cells.BURST_SECONDS < levels[BEFORE + 1] < levels[AFTER] <= cells.BURST_SECONDS + 30.0
