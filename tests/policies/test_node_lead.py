"""What a standby node saves, and how long a node is waited for, from cold starts."""

import pytest

from policies.ladder import lead_seconds
from policies.node_lead import LEAST_PATIENCE_SECONDS, MOST_PATIENCE_SECONDS, node_lead_seconds, patience_seconds
from policies.supply import ColdStart, Rung, Stage
from tests.support.worlds import COLD_START


def test_a_standby_node_saves_the_node_and_its_gpu_and_nothing_else() -> None:
    saved = node_lead_seconds(COLD_START)
    assert saved == lead_seconds(COLD_START, Rung.REQUESTED) - lead_seconds(COLD_START, Rung.NODE_READY)
    assert 75.0 <= saved <= 180.0


@pytest.mark.parametrize(
    ("p95", "seconds"), [(20.0, LEAST_PATIENCE_SECONDS), (600.0, 600.0), (3600.0, MOST_PATIENCE_SECONDS)]
)
def test_patience_is_the_p95_of_the_node_within_its_bounds(p95: float, seconds: float) -> None:
    cold = ColdStart(node=Stage(p95 / 2, p95), image=None, weights=None, warmup=Stage(100.0, 200.0))
    assert patience_seconds(cold) == pytest.approx(seconds, rel=0.02)


def test_the_gpu_counts_to_the_node() -> None:
    node = ColdStart(node=Stage(200.0, 300.0), image=None, weights=None, warmup=Stage(9.0, 9.9))
    slower = ColdStart(node=node.node, image=None, weights=None, warmup=node.warmup, gpu=Stage(100.0, 200.0))
    assert patience_seconds(slower) > patience_seconds(node)
