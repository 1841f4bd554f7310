"""A burst from 7 to 14 replicas without a forecast: seconds from the need to serving, stage by stage.

Three kinds of node times three ways to start, side by side. Images, weights, drivers and caches are the stand-in's; API
server, scheduler, KEDA, HPA and Karpenter are real.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.e2e.coldstart.cells import (
    AFTER,
    BEFORE,
    BURST_SECONDS,
    FLEET,
    Cell,
    Fetches,
    Kind,
    Way,
    write_burst,
)
from tests.e2e.coldstart.table import medians, shares, text
from tests.e2e.harness import Cluster, until
from tests.e2e.harness.cluster import RATE
from tests.e2e.harness.outrider import Outrider, scaled_objects
from tests.e2e.harness.workload import Workload

OUT = Path(__file__).parents[2] / "build" / "e2e"
GOALS = {Kind.STOCK: 0.80, Kind.BAKED: 0.45, Kind.EXISTING: 0.35}
MOST_SECONDS = 125.0  # after the burst; the reactive ScaledObject adds its last replicas later than that


def test_a_burst_on_three_kinds_of_node(
    cluster: Cluster, namespace: str, outrider: Callable[..., Outrider], tmp_path: Path
) -> None:
    cells = [Cell(cluster, namespace, kind, way) for kind in Kind for way in Way]
    fetches = Fetches(cluster, cells)
    with _deployed(cells, fetches) as workloads:
        ours = [workload for cell, workload in workloads.items() if cell.way is not Way.REACTIVE]
        controller = outrider(**ours[0].clock)
        cluster.api.apply(*(workload.policy for workload in ours))
        traffic = write_burst(tmp_path / "burst.csv")
        until(lambda: all("desiredReplicas" in each.status() for each in ours), 60, "a decision for each")
        manifests = scaled_objects([each.policy for each in ours], controller.scaler_address)
        cluster.api.apply(*manifests, *(cell.scaled_object() for cell in cells if cell.way is Way.REACTIVE))
        until(lambda: all(each.followed() for each in workloads.values()), 60, "every HPA to read its metric")
        need = {cell: each.traffic(traffic) + BURST_SECONDS / RATE for cell, each in workloads.items()}
        end_seconds = max(need.values()) + MOST_SECONDS

        def done() -> bool:
            fetches.look()
            return time.time() > end_seconds or all(_serving(each) == AFTER for each in ours)

        until(done, MOST_SECONDS + 60, "the replicas of the burst")
        reports = {cell: each.standin() for cell, each in workloads.items()}
    found = {
        (cell.kind, cell.way): medians(list(report["pods"].values()), report["nodes"], need[cell])
        for cell, report in reports.items()
    }
    print(text(found))
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "coldstart.txt").write_text(text(found))
    (OUT / "coldstart.json").write_text(json.dumps({f"{kind}, {way}": each for (kind, way), each in found.items()}))
    assert {kind: share for kind, share in shares(found).items() if share > GOALS[kind]} == {}


@contextlib.contextmanager
def _deployed(cells: list[Cell], fetches: Fetches) -> Iterator[dict[Cell, Workload]]:
    """The workloads, each with 7 replicas that serve, and what is fetched ahead on all nodes that exist."""
    cluster = cells[0].cluster
    quick = [cell.workload(quick=True) for cell in cells]
    try:
        for cell in cells:
            cell.add_nodes()
        for each in quick:
            each.create(BEFORE)
        until(lambda: all(_serving(each) == BEFORE for each in quick), 60, f"{BEFORE} replicas of each workload")
        fetches.look()
        until(lambda: _weights(quick) >= 2 * BEFORE, 30, "the weights on the nodes that exist")
        real = {cell: cell.workload(quick=False) for cell in cells}
        for each in real.values():
            each.epoch_seconds = quick[0].epoch_seconds
        yield real
    finally:
        for each in quick:
            each.delete()
        jobs = f"/apis/batch/v1/namespaces/{cells[0].namespace}/jobs"
        cluster.api.delete(jobs, {"propagationPolicy": "Background"})
        pods = f"/api/v1/namespaces/{cells[0].namespace}/pods"
        until(lambda: not cluster.api.get(pods)["items"], 60, "no pods")
        for made in (made for cell in cells if cell.kind is not Kind.EXISTING for made in reversed(cell.pool())):
            cluster.api.delete(cluster.api.path(made))
        cluster.api.delete(f"/api/v1/nodes?labelSelector={FLEET}")
        until(lambda: not cluster.api.items("/api/v1/nodes", FLEET), 60, "no nodes")


def _serving(workload: Workload) -> int:
    ready: int = workload.deployment()["status"].get("readyReplicas", 0)
    return ready


def _weights(workloads: list[Workload]) -> int:
    """The most nodes that have one workload's weights."""
    return max(len([node for node in each.standin()["nodes"].values() if node["weights"]]) for each in workloads)
