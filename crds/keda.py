"""The ScaledObject that makes KEDA and its HPA land on exactly the number that Outrider decides.

One external-push trigger with AverageValue and target 1, so that the value is the number of replicas; both behaviours
in full, since KEDA compares them as a whole; tolerance 0, or the HPA ignores a change of less than 10 %; no `fallback`,
so that everything stays where it is while Outrider is down.
"""

import re
from dataclasses import dataclass
from typing import Any

from crds.workload import Workload
from policies.model import Mode

_KEDA = "keda.sh/v1alpha1"
_POLL_SECONDS = 10  # KEDA's own poll; between 1 and N it only refreshes the status
DEFAULT_TOLERANCE = "0.1"  # --horizontal-pod-autoscaler-tolerance
_COOLDOWN_SECONDS = 30  # three polls: a second guard, should the minimum ever be set to zero


@dataclass(frozen=True, slots=True)
class Wiring:
    """How KEDA reaches the scaler. `tls_secret` holds ca.crt, tls.crt and tls.key; None: plain text."""

    scaler_address: str
    tls_secret: str | None = None
    hpa_tolerance: str | None = None  # of HPAs that cannot have one of their own


def manifests(workload: Workload, wiring: Wiring) -> list[dict[str, Any]]:
    """The objects to apply, in order. They have the policy's name."""
    trigger: dict[str, Any] = {
        "type": "external-push",
        "metricType": "AverageValue",
        "metadata": {"scalerAddress": wiring.scaler_address, "policy": workload.name},
    }
    if wiring.hpa_tolerance is not None:
        trigger["metadata"]["hpaTolerance"] = wiring.hpa_tolerance
    objects = []
    if wiring.tls_secret:
        trigger["authenticationRef"] = {"name": workload.name}
        objects.append(_authentication(workload, wiring.tls_secret))
    target = workload.target
    spec = {
        "scaleTargetRef": {"apiVersion": target.api_version, "kind": target.kind, "name": target.name},
        "minReplicaCount": workload.policy.min_replicas,
        "maxReplicaCount": workload.policy.max_replicas,
        "pollingInterval": _POLL_SECONDS,
        "cooldownPeriod": _COOLDOWN_SECONDS,
        "advanced": {
            "horizontalPodAutoscalerConfig": {
                "behavior": {"scaleUp": _at_once("Pods", 10_000), "scaleDown": _at_once("Percent", 100)}
            }
        },
        "triggers": [trigger],
    }
    return [*objects, {"apiVersion": _KEDA, "kind": "ScaledObject", "metadata": _metadata(workload), "spec": spec}]


def remarks(workload: Workload, kubernetes: tuple[int, int] | None) -> list[str]:
    """What to know before applying them; `kubernetes` is the cluster's version, None if it is unknown."""
    found = []
    if kubernetes is None:
        found.append(
            "the HPA's tolerance of 0 needs Kubernetes 1.35, and an older version keeps its 10 %: give --kubernetes-version to "
            "have Outrider compensate for that"
        )
    elif kubernetes < (1, 35):
        unless = "" if kubernetes < (1, 33) else " unless the feature gate HPAConfigurableTolerance is on"
        found.append(
            f"Kubernetes {kubernetes[0]}.{kubernetes[1]} ignores an HPA's own tolerance{unless}, so the cluster's 10 % applies. "
            "hpaTolerance makes Outrider compensate for it. Scaling up may overshoot for one decision: 11 to 12 goes to 13 "
            "first. Scaling down waits until the step is large enough: from 20 replicas, a decision of 19 changes nothing, "
            "and 18 does."
        )
    if workload.mode is Mode.SHADOW:
        found.append(
            f"{workload.policy.name} is in mode Shadow: Outrider answers KEDA with UNAVAILABLE, and the replicas stay as they "
            "are until the mode is Active."
        )
    return found


def hpa_tolerance(kubernetes: tuple[int, int] | None) -> str | None:
    """The tolerance that the scaler must know, for a cluster where an HPA cannot have its own; else None."""
    return DEFAULT_TOLERANCE if kubernetes is not None and kubernetes < (1, 35) else None


def kubernetes_version(text: str) -> tuple[int, int]:
    """Read `1.33`, `v1.33.4` or `v1.33.4-gke.100`. Raises ValueError for anything else."""
    match = re.match(r"v?([0-9]{1,3})\.([0-9]{1,3})(?![0-9])", text)
    if not match:
        raise ValueError(f"not a Kubernetes version: {text!r}; write one such as 1.35")
    return int(match[1]), int(match[2])


def _at_once(kind: str, value: int) -> dict[str, Any]:
    """One direction in full: no window and no limit, since Outrider has both itself."""
    return {
        "stabilizationWindowSeconds": 0,
        "selectPolicy": "Max",
        "tolerance": "0",
        "policies": [{"type": kind, "value": value, "periodSeconds": 1}],
    }


def _authentication(workload: Workload, secret: str) -> dict[str, Any]:
    keys = {"caCert": "ca.crt", "tlsClientCert": "tls.crt", "tlsClientKey": "tls.key"}
    references = [{"parameter": parameter, "name": secret, "key": key} for parameter, key in keys.items()]
    return {
        "apiVersion": _KEDA,
        "kind": "TriggerAuthentication",
        "metadata": _metadata(workload),
        "spec": {"secretTargetRef": references},
    }


def _metadata(workload: Workload) -> dict[str, str]:
    return {"name": workload.name, "namespace": workload.namespace}
