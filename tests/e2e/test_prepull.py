"""Images come to nodes ahead of replicas on a real control plane: the Jobs are admitted, survive a kill, and leave nothing behind.

The pulls are the stand-in's.
"""

from collections.abc import Callable
from typing import Any

from autoscaler.kube.objects import metadata
from autoscaler.kube.ours import FETCH, FETCH_JOB, NODE
from tests.e2e.harness import Cluster, until
from tests.e2e.harness.api import Json
from tests.e2e.harness.outrider import Outrider
from tests.e2e.harness.workload import IMAGE, Workload

ENFORCE = "pod-security.kubernetes.io/enforce"


def test_every_node_of_the_pool_gets_the_image_and_nothing_is_left(
    cluster: Cluster, namespace: str, outrider: Callable[..., Outrider]
) -> None:
    about = {"name": namespace, "labels": {ENFORCE: "restricted"}}
    cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": about})
    workload = Workload(cluster, namespace, policy_spec={"image": {"prePull": True}})
    workload.deploy(2)
    replicas = {pod["spec"]["nodeName"] for pod in workload.pods()}
    controller = outrider(**workload.clock)
    cluster.api.apply(workload.policy)

    def jobs() -> list[Json]:
        return cluster.api.items(f"/apis/batch/v1/namespaces/{namespace}/jobs", FETCH)

    def nodes() -> set[str]:
        return {metadata(job)["annotations"][NODE] for job in jobs()}

    def pods() -> list[Json]:
        return cluster.api.items(f"/api/v1/namespaces/{namespace}/pods", FETCH_JOB)

    def capability() -> dict[str, Any]:
        found: list[dict[str, Any]] = workload.status().get("capabilities") or [{}]
        return found[0]

    def brought() -> set[str]:
        return {pod["spec"]["nodeName"] for pod in pods() if pod["status"]["phase"] in ("Running", "Succeeded")}

    until(lambda: replicas <= nodes() & brought(), 60, "the image on each node of a replica")
    assert {each["spec"]["containers"][0]["image"] for each in pods()} <= {IMAGE, "registry.k8s.io/pause:3.10"}
    until(lambda: capability().get("works"), 30, "the status to say so")
    print(capability()["message"])
    before = {metadata(job)["uid"] for job in jobs()}
    controller.process.stop()
    controller.start()
    until(lambda: capability().get("works"), 30, "the next controller to take over")
    assert before == {metadata(job)["uid"] for job in jobs()}, "none is made twice"
    cluster.api.delete(f"/apis/outrider.dev/v1alpha1/namespaces/{namespace}/scalingpolicies/{workload.name}")
    until(lambda: not jobs() and not pods(), 60, "nothing to be left")
