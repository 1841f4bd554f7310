"""A namespace with a GPUPool of two offerings, each a NodePool of its own, and everything that was ever seen of its standby."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from autoscaler.kube.objects import condition, deleting, metadata
from autoscaler.kube.ours import POOL, STANDBY
from tests.e2e.harness import Cluster, nodes, until
from tests.e2e.harness.api import Json
from tests.e2e.harness.clock import clock_settings
from tests.e2e.harness.cluster import DEPLOY, RATE
from tests.e2e.harness.outrider import NAMESPACE
from tests.e2e.harness.workload import Workload, window
from tests.e2e.standin.pods import GPU

POOL_LABEL = "outrider.test/pool"
FIRST, SECOND = "first", "second"
SPEC = {"profile": "8b-h100", "maxReplicas": 6, "scaleDown": {"hold": "1m", "maxPercentPerMinute": 100}}
MOST_PATIENCE_SECONDS = 900.0 / RATE  # until an offering that says nothing counts as out of capacity


@dataclass
class Sandbox:
    """The pool has the namespace's name, and its NodePools begin with it."""

    cluster: Cluster
    name: str
    epoch_seconds: float = field(default_factory=time.time)
    claims_seen: set[str] = field(default_factory=set)
    most_standby: int = 0  # pods that held a node at one time

    # -- actions

    def node_pools(self) -> list[Json]:
        """The manifests of both NodePools: Karpenter takes the first one where a pod fits on both."""
        labels = {POOL_LABEL: self.name}
        return [
            *nodes.pool(self.node_pool(FIRST), idle_seconds=2, labels=labels, weight=20),
            *nodes.pool(self.node_pool(SECOND), idle_seconds=2, labels=labels, weight=10),
        ]

    def node_pool(self, offering: str) -> str:
        """The NodePool of an offering."""
        return f"{self.name}-{offering}"

    def limit(self, offering: str, gpus: int) -> None:
        """Let an offering have no more than so many GPUs."""
        path = f"/apis/karpenter.sh/v1/nodepools/{self.node_pool(offering)}"
        self.cluster.api.patch(path, {"spec": {"limits": {GPU: str(gpus)}}})

    @contextmanager
    def out_of_capacity(self, offering: str) -> Iterator[None]:
        """Have the cloud refuse every node of an offering."""
        file = self.cluster.folder / nodes.REFUSED
        file.write_text(f"{self.node_pool(offering)}\n")
        try:
            yield
        finally:
            file.unlink()

    def buffer(self, most: int) -> str:
        """Create an administrator's CapacityBuffer of whole nodes of the first offering, which holds none yet; its name."""
        component = DEPLOY / "components/capacity-buffers"
        self.cluster.api.apply(DEPLOY / "namespace.yaml", component / "rbac.yaml", component / "admission.yaml")
        about = {"name": self.node_pool(FIRST), "namespace": NAMESPACE}
        held = {"cpu": "10m", "memory": "16Mi", GPU: "1"}
        container = {"name": "hold", "image": "pause", "resources": {"requests": held, "limits": held}}
        selector = {POOL_LABEL: self.name, nodes.POOL_LABEL: self.node_pool(FIRST)}
        self.cluster.api.apply(
            {
                "apiVersion": "v1",
                "kind": "PodTemplate",
                "metadata": about,
                "template": {"spec": {"nodeSelector": selector, "containers": [container]}},
            },
            {
                "apiVersion": "autoscaling.x-k8s.io/v1beta1",
                "kind": "CapacityBuffer",
                "metadata": about,
                "spec": {
                    "provisioningStrategy": "buffer.x-k8s.io/active-capacity",
                    "podTemplateRef": {"name": about["name"]},
                    "replicas": 0,
                    "limits": {GPU: str(most)},
                },
            },
        )
        return about["name"]

    def pool(self, *, member: str | None = None, buffer: str = "", **spec: Any) -> Json:
        """Apply the GPUPool. `member` is the one namespace that may join; by default this one. `buffer` holds the standby."""
        manifest: Json = {
            "apiVersion": "outrider.dev/v1alpha1",
            "kind": "GPUPool",
            "metadata": {"name": self.name},
            "spec": {
                "owner": "ml-platform",
                "contact": "#gpus",
                "nodeSelector": {POOL_LABEL: self.name},
                "offerings": [
                    self._offering(FIRST, "Reserved", "2") | ({"capacityBuffer": buffer} if buffer else {}),
                    self._offering(SECOND, "OnDemand", "4"),
                ],
                "members": [
                    {
                        "name": "team",
                        "owner": "search",
                        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": member or self.name}},
                    }
                ],
                **spec,
            },
        }
        self.cluster.api.apply(manifest)
        return manifest

    def _offering(self, name: str, kind: str, price: str) -> Json:
        selector = {nodes.POOL_LABEL: self.node_pool(name)}
        return {"name": name, "kind": kind, "nodeSelector": selector, "pricePerGpuHour": price, "gpusPerNode": 1}

    def workload(self, name: str = "llm", replicas: int = 1, **spec: Any) -> Workload:
        """Deploy a member of the pool; its policy is not applied yet."""
        workload = Workload(
            self.cluster,
            self.name,
            name,
            node_selector={POOL_LABEL: self.name},
            policy_spec={**SPEC, "pool": self.name, **spec},
        )
        workload.epoch_seconds = self.epoch_seconds
        workload.deploy(replicas)
        return workload

    def needs(self, workload: Workload, replicas: int) -> None:
        """Apply its policy with a window of at least that many replicas that is open; 0: without one."""
        now = self.epoch_seconds + (time.time() - self.epoch_seconds) * RATE
        workload.policy["spec"]["schedules"] = [window(now, replicas)] if replicas else []
        self.cluster.api.apply(workload.policy)

    def clock(self) -> dict[str, str]:
        """A controller's settings: its clock runs as fast as the cluster and the engines."""
        return clock_settings(self.epoch_seconds)

    # -- observations

    def until(self, check: Callable[[], Any], what: str, at_most_seconds: float = 60.0) -> float:
        """Watch standby pods and NodeClaims until `check` is true; the seconds that it took."""
        began = time.monotonic()
        until(lambda: [self.standby(), self.claims()] and check(), at_most_seconds, what)
        return time.monotonic() - began

    def status(self) -> Json:
        """The pool's status."""
        return self.cluster.api.get(f"/apis/outrider.dev/v1alpha1/gpupools/{self.name}").get("status") or {}

    def offering(self, name: str) -> Json:
        """What the status says of an offering."""
        return next((each for each in self.status().get("offerings") or () if each["name"] == name), {})

    def jobs(self) -> list[Json]:
        """Standby Jobs of the pool."""
        return self.cluster.api.items(f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs", f"{POOL}={self.name}")

    def standby(self) -> list[Json]:
        """Standby pods that run: each holds a node."""
        found = self.cluster.api.items(f"/api/v1/namespaces/{NAMESPACE}/pods", f"{STANDBY},{POOL}={self.name}")
        running = [pod for pod in found if not deleting(pod) and pod["status"].get("phase") == "Running"]
        self.most_standby = max(self.most_standby, len(running))
        return running

    def standby_nodes(self, offering: str | None = None) -> set[str]:
        """The nodes that they hold, of one offering or of both."""
        held = {pod["spec"]["nodeName"] for pod in self.standby()}
        return held if offering is None else held & {metadata(node)["name"] for node in self.nodes(offering)}

    def nodes(self, offering: str) -> list[Json]:
        """The nodes of an offering."""
        return self.cluster.api.items("/api/v1/nodes", f"{nodes.POOL_LABEL}={self.node_pool(offering)}")

    def claims(self) -> set[str]:
        """The NodeClaims that exist."""
        pools = f"{nodes.POOL_LABEL} in ({self.node_pool(FIRST)},{self.node_pool(SECOND)})"
        found = {metadata(each)["name"] for each in self.cluster.api.items("/apis/karpenter.sh/v1/nodeclaims", pools)}
        self.claims_seen |= found
        return found

    def events(self, about: Json) -> dict[str, str]:
        """The Events about an object: message by reason."""
        namespace = metadata(about).get("namespace", "default")
        found = self.cluster.api.get(f"/api/v1/namespaces/{namespace}/events")["items"]
        name = metadata(about)["name"]
        return {each["reason"]: each["message"] for each in found if each["involvedObject"].get("name") == name}


def granted(workload: Workload) -> Json:
    """The policy's condition Granted; empty before there is one."""
    found = workload.status().get("conditions") or ()
    return next((each for each in found if each["type"] == "Granted"), {})


def is_ready(status: Json) -> bool:
    """Whether a pool's status says Ready."""
    return condition({"status": status}, "Ready") is not None
