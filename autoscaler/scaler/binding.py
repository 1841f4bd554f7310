"""Which policy a ScaledObject is bound to: the key on the board, read from what KEDA sends along."""

import re

from autoscaler.kube.objects import Key
from autoscaler.scaler.externalscaler_pb2 import ScaledObjectRef

# The metadata keys that we read; whatever else a trigger carries is KEDA's or the user's.
POLICY = "policy"
TOLERANCE = "hpaTolerance"  # of an HPA that cannot be given one of its own; absent: 0
SHOWN = 80  # characters of a wrong value that an error repeats

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAMESPACE = re.compile(_LABEL)  # DNS-1123 label, at most 63
_POLICY = re.compile(rf"{_LABEL}(\.{_LABEL})*")  # DNS-1123 subdomain, at most 253


class BindingError(ValueError):
    """The ScaledObject names no policy. The text says what to write."""


def key(ref: ScaledObjectRef) -> str:
    """`namespace/name` of the ScalingPolicy. BindingError when the reference or its metadata are malformed."""
    namespace, policy = ref.namespace, ref.scalerMetadata.get(POLICY)
    if len(namespace) > 63 or not _NAMESPACE.fullmatch(namespace):
        raise BindingError(f"namespace {namespace[:SHOWN]!r} is no namespace: call with the ScaledObject's own")
    if not policy:
        raise BindingError(
            f"trigger metadata has no {POLICY!r}: name the ScalingPolicy to follow, in namespace {namespace}, "
            f"as spec.triggers[].metadata.{POLICY}"
        )
    if len(policy) > 253 or not _POLICY.fullmatch(policy):
        raise BindingError(
            f"trigger metadata {POLICY}={policy[:SHOWN]!r} is no resource name: write the metadata.name of a ScalingPolicy "
            f"in namespace {namespace}, without the namespace"
        )
    return str(Key(namespace, policy))


def tolerance(ref: ScaledObjectRef) -> float:
    """The tolerance of the cluster's HPA. BindingError where it is no share from 0 to below 1."""
    text = ref.scalerMetadata.get(TOLERANCE, "0")
    if not re.fullmatch(r"0(\.[0-9]{1,6})?", text):
        raise BindingError(
            f"trigger metadata {TOLERANCE}={text[:SHOWN]!r} is no share: write the cluster's "
            "--horizontal-pod-autoscaler-tolerance, such as 0.1, or leave it out where the HPA has tolerance 0"
        )
    return float(text)
