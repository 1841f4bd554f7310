"""Which policy a ScaledObject follows, and with what tolerance, read from the trigger metadata that KEDA sends."""

import re

from autoscaler.kube.objects import Key
from autoscaler.scaler.externalscaler_pb2 import ScaledObjectRef

# The metadata keys that are read; all others are KEDA's or the user's.
POLICY = "policy"
TOLERANCE = "hpaTolerance"  # of the cluster's HPA, where it cannot be set per HPA; absent: 0
EXCERPT_CHARS = 80  # of an invalid value, in an error

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAMESPACE = re.compile(_LABEL)  # DNS-1123 label, at most 63
_POLICY = re.compile(rf"{_LABEL}(\.{_LABEL})*")  # DNS-1123 subdomain, at most 253


class BindingError(ValueError):
    """The trigger metadata is not valid. The text says what to write."""


def key(ref: ScaledObjectRef) -> str:
    """`namespace/name` of the ScalingPolicy. Raises BindingError where the reference or its metadata are not valid."""
    namespace, policy = ref.namespace, ref.scalerMetadata.get(POLICY)
    if len(namespace) > 63 or not _NAMESPACE.fullmatch(namespace):
        raise BindingError(
            f"namespace {namespace[:EXCERPT_CHARS]!r} is not valid: send the ScaledObject's own namespace"
        )
    if not policy:
        raise BindingError(
            f"trigger metadata has no {POLICY!r}: name the ScalingPolicy to follow, in namespace {namespace}, "
            f"as spec.triggers[].metadata.{POLICY}"
        )
    if len(policy) > 253 or not _POLICY.fullmatch(policy):
        raise BindingError(
            f"trigger metadata {POLICY}={policy[:EXCERPT_CHARS]!r} is not a resource name: write the metadata.name of a ScalingPolicy "
            f"in namespace {namespace}, without the namespace"
        )
    return str(Key(namespace, policy))


def tolerance(ref: ScaledObjectRef) -> float:
    """The tolerance of the cluster's HPA. Raises BindingError where it is not a fraction from 0 to below 1."""
    text = ref.scalerMetadata.get(TOLERANCE, "0")
    if not re.fullmatch(r"0(\.[0-9]{1,6})?", text):
        raise BindingError(
            f"trigger metadata {TOLERANCE}={text[:EXCERPT_CHARS]!r} is not a fraction: write the cluster's "
            "--horizontal-pod-autoscaler-tolerance, such as 0.1, or leave it out where the HPA has tolerance 0"
        )
    return float(text)
