"""A burst from 7 to 14 replicas without a forecast: seconds from the need to serving, stage by stage.

Three kinds of node times three ways to start, side by side. Images, weights, drivers and caches are the stand-in's; API
server, scheduler, KEDA, HPA and Karpenter are real.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.e2e.coldstart.cells import AFTER, BEFORE, FLEET, Cell, Kind, Prefetches, Way, write_burst
from tests.e2e.coldstart.table import medians, shares, text
from tests.e2e.harness import Cluster, until
from tests.e2e.harness.cluster import RATE
from tests.e2e.harness.outrider import Outrider, scaled_objects
from tests.e2e.harness.workload import IMAGE, Workload

OUT = Path(__file__).parents[2] / "build" / "e2e"
# Of the serial start, on an idle machine: 0.80, 0.44 and 0.24 were measured. A busy one delays Jobs and pods by seconds of the
# 104 that the serial start takes; at a load of 9 the first was 0.87.
GOALS = {Kind.STOCK: 0.80, Kind.BAKED: 0.45, Kind.EXISTING: 0.35}
NOISE = 0.12
MOST_SECONDS = 125.0  # after the burst; the reactive ScaledObject's last replicas need longer


def test_a_burst_on_three_kinds_of_node(
    cluster: Cluster, namespace: str, outrider: Callable[..., Outrider], tmp_path: Path
) -> None:
    cells = [Cell(cluster, namespace, kind, way) for kind in Kind for way in Way]
    prefetches = Prefetches(cluster, cells)
    traffic, levels = write_burst(tmp_path / "burst.csv")
    with _deployed(cells) as quick:
        ours = {cell: each for cell, each in quick.items() if cell.way is not Way.REACTIVE}
        _scale(cluster, outrider(**quick[cells[0]].clock), quick)
        prefetches.look()
        until(lambda: _prepared(quick), 60, "image and weights on the nodes that exist")
        started = {}
        for cell, before in quick.items():
            workload = cell.workload(quick=False)
            workload.epoch_seconds = before.epoch_seconds
            started[cell] = workload.traffic(traffic)
        end_seconds = max(started.values()) + levels[AFTER] / RATE + MOST_SECONDS

        def done() -> bool:
            looked = prefetches.look()
            return time.time() > end_seconds or (looked and all(_serving(each) == AFTER for each in ours.values()))

        until(done, MOST_SECONDS + 60, "the replicas of the burst")
        reports = {cell: each.standin() for cell, each in quick.items()}
    found = {}
    for cell, report in reports.items():
        need = {level: started[cell] + at / RATE for level, at in levels.items()}
        found[cell.kind, cell.way] = medians(list(report["pods"].values()), report["nodes"], need)
    print(text(found))
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "coldstart.txt").write_text(text(found))
    (OUT / "coldstart.json").write_text(json.dumps({f"{kind}, {way}": each for (kind, way), each in found.items()}))
    assert {kind: share for kind, share in shares(found).items() if share > GOALS[kind] + NOISE} == {}


@contextlib.contextmanager
def _deployed(cells: list[Cell]) -> Iterator[dict[Cell, Workload]]:
    """The workloads, each with 7 replicas that serve, with short stages."""
    cluster = cells[0].cluster
    workloads = {cell: cell.workload(quick=True) for cell in cells}
    epoch_seconds = min(each.epoch_seconds for each in workloads.values())
    try:
        for cell, each in workloads.items():
            each.epoch_seconds = epoch_seconds
            cell.add_nodes()
            each.create(BEFORE)
        until(lambda: all(_serving(each) == BEFORE for each in workloads.values()), 60, f"{BEFORE} replicas of each")
        yield workloads
    finally:
        for each in workloads.values():
            cluster.api.delete(cluster.api.path(each.policy))
            each.delete()
        root = f"/namespaces/{cells[0].namespace}"
        cluster.api.delete(f"/apis/batch/v1{root}/jobs", {"propagationPolicy": "Background"})
        until(lambda: not cluster.api.get(f"/api/v1{root}/pods")["items"], 60, "no pods")
        for made in (made for cell in cells if cell.kind is not Kind.EXISTING for made in reversed(cell.pool())):
            cluster.api.delete(cluster.api.path(made))
        cluster.api.delete(f"/api/v1/nodes?labelSelector={FLEET}")
        until(lambda: not cluster.api.items("/api/v1/nodes", FLEET), 60, "no nodes")


def _scale(cluster: Cluster, controller: Outrider, workloads: Mapping[Cell, Workload]) -> None:
    """Have each scaled as its cell says, and wait for the HPAs."""
    ours = [workload for cell, workload in workloads.items() if cell.way is not Way.REACTIVE]
    cluster.api.apply(*(each.policy for each in ours))
    until(lambda: all("desiredReplicas" in each.status() for each in ours), 60, "a decision for each")
    theirs = [cell.scaled_object() for cell in workloads if cell.way is Way.REACTIVE]
    cluster.api.apply(*scaled_objects([each.policy for each in ours], controller.scaler_address), *theirs)
    until(lambda: all(each.followed() for each in workloads.values()), 60, "every HPA to read its metric")


def _serving(workload: Workload) -> int:
    ready: int = workload.deployment()["status"].get("readyReplicas", 0)
    return ready


def _prepared(workloads: Mapping[Cell, Workload]) -> bool:
    """Whether all nodes that exist have what is brought ahead."""
    [(cell, workload)] = [
        each for each in workloads.items() if (each[0].kind, each[0].way) == (Kind.EXISTING, Way.AHEAD)
    ]
    nodes = [node for name, node in workload.standin()["nodes"].items() if name.startswith(cell.fleet)]
    return len([node for node in nodes if node["weights"] and IMAGE in node["images"]]) == AFTER
