"""A scale target for tests of the numbers alone, and the check of where it lands."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autoscaler.kube.objects import condition
from tests.e2e.harness.api import Api, Json
from tests.e2e.harness.cluster import HPA_SYNC_SECONDS
from tests.e2e.harness.waiting import until

HOLD_SECONDS = HPA_SYNC_SECONDS + 1.0  # a landing counts once a further sync has left it there
LANDING_SECONDS = 45.0


@dataclass(frozen=True)
class Target:
    """A Deployment and the policy of the same name. No scheduler places its pods: they only exist, which is enough for
    AverageValue, and cost nothing."""

    api: Api
    namespace: str
    name: str
    max_replicas: int = 64

    @property
    def key(self) -> str:
        """The policy's key on the board."""
        return f"{self.namespace}/{self.name}"

    @property
    def policy(self) -> Json:
        """The ScalingPolicy that `outrider scaledobject` reads."""
        return {
            "apiVersion": "outrider.dev/v1alpha1",
            "kind": "ScalingPolicy",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {"target": {"name": self.name}, "maxReplicas": self.max_replicas},
        }

    def create(self, replicas: int) -> None:
        """Create the Deployment."""
        labels = {"app": self.name}
        pod = {"schedulerName": "none", "containers": [{"name": "engine", "image": "engine:1"}]}
        spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
        metadata = {"name": self.name, "namespace": self.namespace}
        self.api.post(
            f"/apis/apps/v1/namespaces/{self.namespace}/deployments",
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": metadata,
                "spec": {"replicas": replicas, **spec},
            },
        )

    @property
    def replicas(self) -> int:
        """`spec.replicas` now."""
        scale = self.api.get(f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{self.name}/scale")
        return int(scale["spec"].get("replicas", 0))

    def hpa(self) -> Json:
        """KEDA's HorizontalPodAutoscaler for it; empty before it exists."""
        path = f"/apis/autoscaling/v2/namespaces/{self.namespace}/horizontalpodautoscalers/keda-hpa-{self.name}"
        return self.api.get_or_none(path) or {}

    def scaled_object(self) -> Json:
        """The ScaledObject as it is now."""
        return self.api.get(f"/apis/keda.sh/v1alpha1/namespaces/{self.namespace}/scaledobjects/{self.name}")


def client_secret(api: Api, namespace: str, name: str, authority: Path, pair: tuple[Path, Path]) -> None:
    """The Secret with the authority that KEDA trusts and its own certificate."""
    files = {"ca.crt": authority, "tls.crt": pair[0], "tls.key": pair[1]}
    data = {key: file.read_text() for key, file in files.items()}
    metadata = {"name": name, "namespace": namespace}
    api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})


def ready(target: Target) -> bool:
    """Whether the ScaledObject is Ready."""
    return condition(target.scaled_object(), "Ready") is not None


def followed(target: Target) -> bool:
    """Whether the HPA has its metric."""
    return condition(target.hpa(), "ScalingActive") is not None


def landing(wanted: Mapping[Target, int]) -> dict[Target, float]:
    """Wait until each target has exactly that many replicas and keeps them; returns the seconds that each took.

    Meanwhile it may have its old number or 1, since KEDA activates with one replica and the HPA's minimum is one.
    """
    began = time.monotonic()
    had = {target: target.replicas for target in wanted}
    landed: dict[Target, float] = {}

    def check() -> bool:
        for target, count in wanted.items():
            now = target.replicas
            if now == count:
                landed.setdefault(target, time.monotonic() - began)
                continue
            where = f"{target.name}: {now} replicas while scaling from {had[target]} to {count}"
            assert target not in landed, f"{where}, which it had reached before"
            assert now in (had[target], 1), where
        return len(landed) == len(wanted) and time.monotonic() - began >= max(landed.values()) + HOLD_SECONDS

    try:
        until(check, LANDING_SECONDS, f"landing on {sorted(wanted.values())}")
    except TimeoutError as error:
        error.add_note("now: " + ", ".join(f"{target.name} {target.replicas}" for target in wanted))
        raise
    return landed
