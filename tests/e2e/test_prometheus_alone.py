"""Prometheus as the only source, since no pod answers on the policy's port: its loss is unknown, not idle.

The clock runs at its normal rate, since Prometheus's samples have wall times.
"""

from collections.abc import Callable, Iterator

import pytest

from tests.e2e.harness import Cluster, until
from tests.e2e.harness.follower import Follower
from tests.e2e.harness.outrider import Outrider
from tests.e2e.harness.workload import Stages, Workload

CLOSED_PORT = 9
TICK_SECONDS = 15.0
# The shortest hold and no scale-down limit: if unknown were taken for idle, replicas would fall two ticks later.
POLICY = {"metrics": {"port": CLOSED_PORT}, "scaleDown": {"hold": "15s", "maxPercentPerMinute": 100}}
STEADY = {"requests_per_second": 3.1, "prompt_tokens": 500, "output_tokens": 200}  # what 2.2 replicas can just serve


@pytest.fixture
def workload(cluster: Cluster, namespace: str) -> Iterator[Workload]:
    if not cluster.components["prometheus"].running:
        pytest.skip("the cluster of OUTRIDER_E2E_CLUSTER is not to be disturbed")
    found = Workload(cluster, namespace, stages=Stages(0.5, 0.2, 0.2), policy_spec=POLICY)
    found.deploy(2)
    yield found
    found.delete()


def test_its_loss_holds(cluster: Cluster, workload: Workload, outrider: Callable[..., Outrider]) -> None:
    workload.traffic({"rate": 1, "steady": STEADY, "duration_seconds": 3600})
    workload.scaled_by(outrider(prometheus_url=cluster.prometheus_url))
    until(lambda: _has_scaled_up(workload), 180, "replicas by the demand from Prometheus")
    replicas = workload.scale()[0]
    print(f"{workload.status()['demandReplicas']} replicas of demand by Prometheus alone: {replicas} run")

    prometheus = cluster.components["prometheus"]
    with Follower(workload) as follower:
        prometheus.stop()
        try:
            until(lambda: "demandReplicas" not in workload.status(), 120, "the demand to be unknown")
            unknown = follower.seconds
            until(lambda: follower.seconds > unknown + 2 * TICK_SECONDS, 3 * TICK_SECONDS, "two more ticks")
        finally:
            prometheus.start()
        back = follower.seconds
        until(lambda: "demandReplicas" in workload.status(), 120, "the demand to be known")
        print(f"unknown after {unknown:.0f} s, known {follower.seconds - back:.0f} s after Prometheus is started again")
    print(f"{follower.least} replicas or more in {follower.seconds:.0f} s, as {replicas} before")
    assert follower.least >= replicas, follower.changes


def _has_scaled_up(workload: Workload) -> bool:
    """Whether a known demand has asked for more replicas than at first, and all of them are ready."""
    status = workload.status()
    wanted = status.get("desiredReplicas", 0)
    return (
        "demandReplicas" in status
        and wanted > 2
        and workload.scale() == (wanted, wanted)
        and workload.ready() == wanted
    )
