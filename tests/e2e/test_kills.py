"""Whenever the controller is killed, nothing of a policy is left once it is deleted: no object, no node, and no byte in a cache.

Each seed is a schedule of kills while balloons, pre-pulls and prefetches of weights are made. `make fuzz KILLS=30` plays 30 of
them, the suite three. What is on a node's disk is the stand-in's.
"""

import contextlib
import json
import os
import random
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests

from autoscaler.kube.ours import FETCH, MANAGED_BY, MANAGER, POLICY, SLOT
from tests.e2e.harness import Cluster, nodes, until
from tests.e2e.harness.api import Json
from tests.e2e.harness.cluster import DEPLOY, RATE
from tests.e2e.harness.outrider import Outrider
from tests.e2e.harness.workload import Stages, Workload, window
from tests.e2e.standin.disk import IMAGES
from tests.e2e.test_admission import POLICIES, fetches, tried

FIRST, COUNT = (int(os.environ.get(name) or usual) for name, usual in (("OUTRIDER_FIRST", 0), ("OUTRIDER_KILLS", 3)))
FLEET = "outrider.test/kills"  # on the nodes: the namespace
WEIGHTS = "/mnt/models/chat"
FETCHER = "fetcher"  # the image that copies weights: on the nodes from the beginning
SPEC = {
    "profile": "8b-h100",
    "maxReplicas": 9,
    "maxPreparedNodes": 3,
    "image": {"prePull": True},
    "weights": {"method": "prefetch", "prefetch": {"image": FETCHER, "args": ["copy"], "path": WEIGHTS}},
}
QUICK = Stages(0.2, 0.2, 0.2, prefetch_selector={FETCH: "weights"})
SOON_SECONDS = 480.0  # until a window opens: within the lead of 748 s, not within that of a prepared node
MOST_JOBS = 11  # of 3 balloons, one of which finds a place, and an image and weights for each of 4 nodes
PATIENCE_SECONDS = 8.0  # with fewer Jobs than that, a kill comes all the same
NEXT_COMES = ("never", "before the deletion", "after the deletion")


@dataclass(frozen=True)
class Schedule:
    """When the controller is killed: after so many Jobs, and so much later. And when the next one comes after the last kill."""

    kills: tuple[tuple[int, float], ...]
    next_comes: str


def schedule(seed: int) -> Schedule:
    """The schedule of a seed."""
    rng = random.Random(seed)
    kills = tuple((rng.randint(0, MOST_JOBS), rng.uniform(0.0, 0.5)) for _ in range(rng.choice((1, 1, 2))))
    return Schedule(kills, NEXT_COMES[seed % len(NEXT_COMES)])


@dataclass
class Scene:
    """A workload with one replica on two nodes, both of which have image, weights and graphs; and a pool for more."""

    cluster: Cluster
    workload: Workload
    controller: Outrider
    kinds: str  # all that a namespace may have, as kubectl takes them
    lasting: tuple[str, ...]  # the two nodes

    def objects(self) -> frozenset[str]:
        """Every object of the namespace, and everything with Outrider's label."""
        here = (f"--namespace={self.workload.namespace}",)
        ours = ("--all-namespaces", f"--selector={MANAGED_BY}={MANAGER}")
        found = (self.cluster.kubectl("get", self.kinds, *where, "--output=name") for where in (here, ours))
        return frozenset(name for names in found for name in names.splitlines())

    def nodes(self) -> frozenset[str]:
        """The workload's nodes, and what is to become one."""
        of_pool = f"--selector={FLEET}={self.workload.namespace}"
        return frozenset(self.cluster.kubectl("get", "nodes,nodeclaims", of_pool, "--output=name").splitlines())

    def disks(self) -> dict[str, list[str]]:
        """What the disks of the two nodes have."""
        known = self.workload.standin()["nodes"]
        return {name: known[name]["disk"] for name in self.lasting}

    def jobs(self) -> list[Json]:
        """Those of the policy."""
        return self.cluster.api.items(f"/apis/batch/v1/namespaces/{self.workload.namespace}/jobs", POLICY)

    def begin(self) -> None:
        """Apply the policy, with a need for more replicas that is foreseen."""
        now = self.workload.epoch_seconds + (time.time() - self.workload.epoch_seconds) * RATE
        self.workload.policy["spec"]["schedules"] = [window(now + SOON_SECONDS, 4)]
        self.cluster.api.apply(self.workload.policy)

    def wait_for(self, jobs: int) -> list[Json]:
        """Wait until there are so many Jobs, or the time is over; the Jobs."""
        end_seconds = time.monotonic() + PATIENCE_SECONDS
        while len(found := self.jobs()) < jobs and time.monotonic() < end_seconds:
            time.sleep(0.02)
        return found


@pytest.fixture(scope="module")
def controllers() -> list[Outrider]:
    """The one controller."""
    return []


@pytest.fixture(scope="module")
def scene(cluster: Cluster, controllers: list[Outrider], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    name = f"kills-{uuid.uuid4().hex[:5]}"
    cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    pool = nodes.pool(name, idle_seconds=1, registration_seconds=1, labels={FLEET: name})
    workload = Workload(
        cluster, name, stages=QUICK, node_selector={FLEET: name}, policy_spec=SPEC, weights_folder=WEIGHTS
    )
    controller = Outrider(cluster, tmp_path_factory.mktemp("kills"), name, {"prefetch": True, **workload.clock})
    controllers.append(controller)
    with _prefetch_admitted(cluster, name):
        try:
            lasting = f"{name}-0", f"{name}-1"
            for each in lasting:
                node = nodes.node(each, {FLEET: name})
                node["metadata"]["annotations"] = {IMAGES: FETCHER}
                cluster.api.post("/api/v1/nodes", node)
            workload.deploy(2)
            cluster.kubectl("scale", f"deployment/{workload.name}", "--replicas=1", f"--namespace={name}")
            until(lambda: workload.scale() == (1, 1) and len(workload.pods()) == 1, 30, "one replica")
            cluster.api.apply(*pool)
            yield Scene(cluster, workload, controller, _kinds(cluster), lasting)
        finally:
            controller.process.stop()
            requests.delete(f"{cluster.standin_url}/workloads/{name}/{workload.name}", timeout=10)
            for each in reversed(pool):
                cluster.api.delete(cluster.api.path(each))
            cluster.api.delete(f"/api/v1/namespaces/{name}")
            cluster.api.delete(f"/api/v1/nodes?labelSelector={FLEET}={name}")


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT), ids=lambda seed: f"seed{seed}")
def test_nothing_is_left_whenever_the_controller_is_killed(scene: Scene, seed: int) -> None:
    played, objects, disks = schedule(seed), scene.objects(), scene.disks()
    print(f"{played}; to play it again: make fuzz ONLY=tests/e2e KILLS=1 FIRST={seed}")
    if not scene.controller.process.running:
        scene.controller.start()
    scene.begin()
    for jobs, later_seconds in played.kills:
        if not scene.controller.process.running:
            scene.controller.start()
        found = scene.wait_for(jobs)
        time.sleep(later_seconds)
        scene.controller.process.kill()
        print(f"killed with {_counted(found)}")
    if played.next_comes == "before the deletion":
        scene.controller.start()
    scene.cluster.api.delete(scene.cluster.api.path(scene.workload.policy))
    if played.next_comes == "after the deletion":
        scene.controller.start()
    began_seconds = time.monotonic()
    until(lambda: not scene.jobs(), 60, "the Jobs to go")
    with contextlib.suppress(TimeoutError):  # the comparison below shows what is left
        until(lambda: scene.objects() == objects, 30)
    assert sorted(scene.objects() ^ objects) == []
    assert scene.disks() == disks
    print(f"everything was as before {time.monotonic() - began_seconds:.1f} s after the deletion")


def test_no_node_is_left(scene: Scene) -> None:
    """Nothing of what was made keeps Karpenter from taking back the nodes that came for it, which takes it half a minute."""
    lasting = {f"node/{name}" for name in scene.lasting}
    until(lambda: scene.nodes() == lasting, 90, "the nodes of the balloons to go")


def _counted(jobs: list[Json]) -> str:
    def of(label: str, value: str | None = None) -> int:
        held = [job["metadata"]["labels"] for job in jobs]
        return sum(label in each and value in (None, each[label]) for each in held)

    weights = of(FETCH, "weights")
    return f"{of(SLOT)} balloons, {of(FETCH) - weights} pre-pulls and {weights} prefetches"


def _kinds(cluster: Cluster) -> str:
    """All kinds of a namespace, but for Events, and for metrics, which are no objects."""
    names = cluster.kubectl("api-resources", "--verbs=list", "--namespaced", "--output=name").split()
    return ",".join(each for each in names if not each.startswith("events") and "metrics.k8s.io" not in each)


@contextlib.contextmanager
def _prefetch_admitted(cluster: Cluster, namespace: str) -> Iterator[None]:
    """With the component prefetch applied, and enforced, which takes the API server a moment."""
    name = f"{POLICIES}/outrider-prefetch"
    [patch] = json.loads((DEPLOY / "components" / "prefetch" / "admission.json").read_text())
    closed = cluster.api.get(name)["spec"]["validations"]
    cluster.api.patch(name, {"spec": {"validations": patch["value"]}})
    try:
        until(
            lambda: "created" in tried(cluster, "create", fetches(namespace)["weights"]), 30, "weights to be admitted"
        )
        yield
    finally:
        cluster.api.patch(name, {"spec": {"validations": closed}})
