"""The nine workloads: which nodes there are, and what is done before a replica has its GPU."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from autoscaler.kube.objects import labels, metadata
from replay.contenders.reactive import WAITING_PER_REPLICA
from replay.scenario.build import build
from replay.scenario.scenario import L4_8B
from replay.traces.read import read
from tests.e2e.harness import Cluster, nodes
from tests.e2e.harness.api import Json
from tests.e2e.harness.cluster import RATE
from tests.e2e.harness.workload import IMAGE, Stages, Workload
from tests.e2e.standin.disk import GPU_SECONDS, IMAGES
from tests.e2e.traffic import scene
from tests.e2e.traffic.burst import burst
from tests.e2e.traffic.watch import LOOK_SECONDS

FLEET = "outrider.test/fleet"  # on a node: the workload that it is for
FETCH = "outrider.test/fetch"  # on the pod of a Job that fetches weights: the workload
BEFORE, AFTER = 7, 14
PROMPT_TOKENS, OUTPUT_TOKENS = 500, 200
BUSY_BEFORE, BUSY_AFTER = 4.5, 13.2  # replicas that the traffic keeps busy: with what may come, Outrider wants 7 and 14
BURST_SECONDS, LASTS_SECONDS = 60.0, 800.0  # engine time
# Medians of 8b-l4, in the cluster's seconds. Of the warm-up, compiling takes 50 s, or 22 s from a cache.
REGISTRATION_SECONDS, DRIVER_SECONDS = round(36 / RATE), 37 / RATE
IMAGE_SECONDS, WEIGHTS_SECONDS = 230 / RATE, 60 / RATE
WARMUP_SECONDS, CACHED_WARMUP_SECONDS = (60 + 12 + 50 + 22 + 5) / RATE, (60 + 12 + 22 + 22 + 5) / RATE
QUICK = {"image_seconds": 0.2, "weights_seconds": 0.2, "warmup_seconds": 0.2}  # of the replicas before the burst


class Kind(StrEnum):
    """What a replica that is added finds."""

    STOCK = "new node, stock image"
    BAKED = "new node, baked image"
    EXISTING = "a node that exists"


class Way(StrEnum):
    """Who scales, and what begins before the GPU is there."""

    REACTIVE = "reactive ScaledObject"
    SERIAL = "Outrider, one after the other"
    AHEAD = "Outrider, with overlap and pre-pull"


@dataclass(frozen=True)
class Cell:
    """One workload. All nine share a namespace."""

    cluster: Cluster
    namespace: str
    kind: Kind
    way: Way

    @property
    def name(self) -> str:
        """The name of its workload."""
        return f"{self.kind.name}-{self.way.name}".lower()

    @property
    def fleet(self) -> str:
        """The value of its nodes' label, and its pool. Short, since Karpenter makes labels of names that begin with it."""
        return f"{self.name}-{self.namespace[-5:]}"

    def workload(self, *, quick: bool) -> Workload:
        """Its workload, with short stages or with real ones."""
        ahead = self.way is Way.AHEAD
        real: dict[str, Any] = {
            "image_seconds": IMAGE_SECONDS,
            "weights_seconds": WEIGHTS_SECONDS,
            "warmup_seconds": WARMUP_SECONDS,
            "cached_warmup_seconds": CACHED_WARMUP_SECONDS if ahead else None,
        }
        stages = Stages(**(QUICK if quick else real), prefetch_selector={FETCH: self.name} if ahead else {})
        spec = {"minReplicas": BEFORE, "maxReplicas": AFTER, "slo": {"queueWait": "5s", "attainment": "99%"}}
        return Workload(
            self.cluster,
            self.namespace,
            self.name,
            stages=stages,
            node_selector={FLEET: self.fleet},
            policy_spec={**spec, **({"image": {"prePull": True}} if ahead else {})},
        )

    def pool(self) -> list[Json]:
        """Its node pool, for the replicas that are added."""
        annotations = {GPU_SECONDS: f"{DRIVER_SECONDS:g}"} | ({IMAGES: IMAGE} if self.kind is Kind.BAKED else {})
        labelled = {FLEET: self.fleet}
        return nodes.pool(
            self.fleet, registration_seconds=REGISTRATION_SECONDS, labels=labelled, annotations=annotations
        )

    def add_nodes(self) -> None:
        """Make the nodes that exist before the burst, and the pool of those that do not."""
        existing = self.kind is Kind.EXISTING
        for index in range(AFTER if existing else BEFORE):
            self.cluster.api.post("/api/v1/nodes", nodes.node(f"{self.fleet}-{index}", {FLEET: self.fleet}))
        if not existing:
            self.cluster.api.apply(*self.pool())

    def scaled_object(self) -> Json:
        """The reactive ScaledObject."""
        found = scene.reactive_scaled_object(self.namespace, self.name, self.cluster.prometheus_url)
        [trigger] = found["spec"]["triggers"]
        trigger["metadata"]["query"] = f'sum(vllm:num_requests_waiting{{model_name="{self.name}"}})'
        trigger["metadata"]["threshold"] = f"{WAITING_PER_REPLICA:g}"
        found["spec"] |= {"minReplicaCount": BEFORE, "maxReplicaCount": AFTER}
        return found


class Prefetches:
    """Has each node of the workloads that start ahead fetch the weights, from its registration on.

    These Jobs are the test's own. The images are Outrider's.
    """

    def __init__(self, cluster: Cluster, cells: list[Cell]) -> None:
        self._api = cluster.api
        self._cells = {cell.fleet: cell for cell in cells if cell.way is Way.AHEAD}
        self._known: set[str] = set()
        self._looked_seconds = 0.0

    def look(self) -> bool:
        """Make the Jobs for nodes that are new, at most every half second; returns whether it was time."""
        if time.time() - self._looked_seconds < LOOK_SECONDS:
            return False
        self._looked_seconds = time.time()
        for node in self._api.items("/api/v1/nodes", f"{FLEET} in ({','.join(self._cells)})"):
            name, cell = metadata(node)["name"], self._cells[labels(node)[FLEET]]
            if name not in self._known:
                self._known.add(name)
                self._api.post(f"/apis/batch/v1/namespaces/{cell.namespace}/jobs", _job(cell, name))
        return True


def _job(cell: Cell, node: str) -> Json:
    resources = {"requests": {"cpu": "10m", "memory": "32Mi"}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": f"{cell.name}-weights-", "namespace": cell.namespace},
        "spec": {
            "backoffLimit": 0,
            "template": {
                "metadata": {"labels": {FETCH: cell.name}},
                "spec": {
                    "nodeName": node,
                    "tolerations": [{"operator": "Exists"}],
                    "restartPolicy": "Never",
                    "containers": [{"name": "fetch", "image": "fetcher", "resources": resources}],
                },
            },
        },
    }


def write_burst(file: Path) -> tuple[Mapping[str, Any], Mapping[int, float]]:
    """Write the traffic to a file. Gives it in the stand-in's notation, and when each number of replicas is needed.

    The latter in engine seconds, by the work of the last half minute, as for the recorded traffic.
    """
    each_seconds = L4_8B.work_seconds(PROMPT_TOKENS, OUTPUT_TOKENS)
    at_seconds, lines = 0.0, ["arrival_s,prompt_tokens,output_tokens"]
    while at_seconds < LASTS_SECONDS:
        lines.append(f"{at_seconds:.4f},{PROMPT_TOKENS},{OUTPUT_TOKENS}")
        at_seconds += each_seconds / (BUSY_BEFORE if at_seconds < BURST_SECONDS else BUSY_AFTER)
    file.write_text("\n".join(lines))
    scenario = build(read(file), past="none", hardware=L4_8B, initial_replicas=BEFORE)
    return {"trace": str(file)}, burst(scenario).levels
