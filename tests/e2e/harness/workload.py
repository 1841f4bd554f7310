"""One served model in a namespace: a Deployment of GPU pods, its traffic, its ScalingPolicy and its ScaledObject."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import requests

from autoscaler.kube.objects import condition, deleting
from tests.e2e.harness.api import Json
from tests.e2e.harness.clock import clock_settings
from tests.e2e.harness.cluster import RATE, Cluster
from tests.e2e.harness.nodes import POOL, POOL_LABEL
from tests.e2e.harness.outrider import Outrider, scaled_objects
from tests.e2e.harness.prometheus import ENGINE_PORT_ANNOTATION
from tests.e2e.harness.waiting import until
from tests.e2e.standin.pods import GPU

IMAGE = "vllm/vllm-openai:v0.11.0"
PORT = 8000


@dataclass(frozen=True)
class Stages:
    """How long each stage of a pod takes once it has a node, in wall seconds."""

    image_seconds: float = 4.0
    weights_seconds: float = 2.0
    warmup_seconds: float = 2.0
    cached_warmup_seconds: float | None = None  # with a compile cache that all nodes share; None: without one
    readiness_stages: bool = False  # whether engines say at which stage of their start they are
    prefetch_selector: Mapping[str, str] = field(default_factory=dict)  # the pods that bring its weights to a node


class Workload:
    """Deploy it, send it traffic, scale it. The policy, the ScaledObject and the Deployment have its name."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        name: str = "llm",
        *,
        hardware: str = "8b-l4",
        stages: Stages | None = None,
        pool: str = POOL,
        node_selector: Mapping[str, str] | None = None,
        policy_spec: Mapping[str, Any] | None = None,
        weights_folder: str = "",
    ) -> None:
        self._weights_folder = weights_folder  # of the node, from which the pods read; empty: none
        self._cluster, self._api = cluster, cluster.api
        self.namespace, self.name, self.hardware = namespace, name, hardware
        self._stages, self._node_selector = stages or Stages(), dict(node_selector or {POOL_LABEL: pool})
        self._deployment = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
        self._policy = f"/apis/outrider.dev/v1alpha1/namespaces/{namespace}/scalingpolicies/{name}"
        self.scaled_object = f"/apis/keda.sh/v1alpha1/namespaces/{namespace}/scaledobjects/{name}"
        self.hpa = f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers/keda-hpa-{name}"
        self._control = f"{cluster.standin_url}/workloads/{namespace}/{name}"
        self.epoch_seconds = (
            time.time()
        )  # when wall, engine and controller time are equal; afterwards the latter two run at RATE
        self.policy: Json = {
            "apiVersion": "outrider.dev/v1alpha1",
            "kind": "ScalingPolicy",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"target": {"name": name}, "maxReplicas": 12, "profile": hardware, **(policy_spec or {})},
        }

    # -- actions

    def deploy(self, replicas: int) -> None:
        """Deploy that many replicas without traffic, and wait until they are ready."""
        self.create(replicas)
        until(lambda: self.ready() == replicas, 90, f"{replicas} ready replicas of {self.namespace}/{self.name}")

    def create(self, replicas: int) -> None:
        """Deploy that many replicas without traffic."""
        self._put(None)
        self._api.apply(self._manifest(replicas))

    def traffic(self, traffic: Mapping[str, Any]) -> float:
        """Start this traffic, in the stand-in's notation; returns the wall time of its second 0. Engines restart."""
        return self._put({"rate": RATE, "epoch_seconds": self.epoch_seconds, **traffic})

    def steady(self, requests_per_second: float, prompt_tokens: int = 500, output_tokens: int = 200) -> float:
        """The same request at even intervals for an hour. An `8b-l4` serves 1.4 requests of 500 + 200 tokens a second."""
        tokens = {"prompt_tokens": prompt_tokens, "output_tokens": output_tokens}
        steady = {"requests_per_second": requests_per_second, **tokens}
        return self.traffic({"steady": steady, "duration_seconds": 3600.0 * RATE})

    @property
    def clock(self) -> dict[str, str]:
        """Settings that give a controller the engines' clock, also after a restart."""
        return clock_settings(self.epoch_seconds)

    def scaled_by(self, outrider: Outrider, *arguments: str) -> None:
        """Apply policy and ScaledObject and wait for the HPA. Arguments are those of `outrider scaledobject`."""
        self._api.apply(self.policy)
        until(lambda: "desiredReplicas" in self.status(), 60, f"a decision for {self.namespace}/{self.name}")
        self._api.apply(*scaled_objects(self.policy, outrider.scaler_address, *arguments))
        until(self.followed, 60, f"the HPA of {self.namespace}/{self.name} to read the decision")

    def fault(self, metrics: str) -> None:
        """Set how the pods' /metrics behave: ok, refuse, hang or error."""
        requests.put(f"{self._control}/faults", json={"metrics": metrics}, timeout=10).raise_for_status()

    def delete(self) -> None:
        """Delete it; the rest goes with the namespace."""
        self._api.delete(self.scaled_object)
        self._api.delete(self._deployment)
        requests.delete(self._control, timeout=10)

    # -- observations

    def scale(self) -> tuple[int, int]:
        """`spec.replicas` and `status.replicas` of its scale."""
        scale = self._api.get(f"{self._deployment}/scale")
        return scale["spec"].get("replicas", 0), scale["status"].get("replicas", 0)

    def deployment(self) -> Json:
        """Its Deployment."""
        return self._api.get(self._deployment)

    def pods(self) -> list[Json]:
        """Its pods that are not being deleted."""
        found = self._api.items(f"/api/v1/namespaces/{self.namespace}/pods", f"app={self.name}")
        return [pod for pod in found if not deleting(pod)]

    def ready(self) -> int:
        """The number of ready pods."""
        return sum(condition(pod, "Ready") is not None for pod in self.pods())

    def status(self) -> Json:
        """The policy's status."""
        return self._api.get(self._policy).get("status") or {}

    def desired(self) -> int | None:
        """`status.desiredReplicas` of the policy."""
        return self.status().get("desiredReplicas")

    def followed(self) -> bool:
        """Whether the HPA reads its metric."""
        found = self._api.get_or_none(self.hpa)
        return found is not None and condition(found, "ScalingActive") is not None

    def standin(self) -> Json:
        """What the stand-in reports about it: score, pods, nodes."""
        answer = requests.get(self._control, timeout=10)
        answer.raise_for_status()
        return cast(Json, answer.json())

    # -- helpers

    def _put(self, traffic: Mapping[str, Any] | None) -> float:
        body = {
            "selector": {"app": self.name},
            "port": PORT,
            "hardware": self.hardware,
            **asdict(self._stages),
            "compile_cache": "shared",
            "traffic": traffic,
        }
        answer = requests.put(self._control, json=body, timeout=60)
        assert answer.ok, answer.text
        return float(answer.json()["started_seconds"])

    def _manifest(self, replicas: int) -> Json:
        labels = {"app": self.name}
        container = {
            "name": "vllm",
            "image": IMAGE,
            "ports": [{"containerPort": PORT}],
            "resources": {"requests": {"cpu": "1", "memory": "4Gi", GPU: "1"}, "limits": {GPU: "1"}},
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        annotations = {ENGINE_PORT_ANNOTATION: str(PORT)}
        folder = self._weights_folder
        volumes = [{"name": "weights", "hostPath": {"path": folder}}] if folder else []
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": self.name, "namespace": self.namespace, "labels": labels},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels, "annotations": annotations},
                    "spec": {
                        "containers": [container],
                        "nodeSelector": self._node_selector,
                        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                        "terminationGracePeriodSeconds": 30,
                        "volumes": volumes,
                    },
                },
            },
        }


def window(at_seconds: float, min_replicas: int) -> Json:
    """A schedule of at least that many replicas for an hour; it opens up to a minute before that time."""
    opens = at_seconds // 60 * 60
    start, end = (time.strftime("%H:%M", time.gmtime(opens + more)) for more in (0, 3600))
    return {"name": "fair", "start": start, "end": end, "minReplicas": min_replicas}
