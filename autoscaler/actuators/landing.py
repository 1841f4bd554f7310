"""Which nodes a pod of a template may land on: by the scheduler's own rules, and before the node's GPU can be allocated.

Not here: whether there is room for it, which changes with every pod, and preferences, which exclude no node.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from autoscaler.actuators.footprint import extended, footprint
from autoscaler.kube.objects import Object, deleting, key, labels
from crds.notation.units import exact_quantity

INSTANCE_TYPE = "node.kubernetes.io/instance-type"
# By these a node has a GPU before its device plugin says so. Each is set by the cloud or the node autoscaler at registration.
GPU_LABELS = (
    "cloud.google.com/gke-accelerator",
    "k8s.amazonaws.com/accelerator",
    "karpenter.k8s.aws/instance-gpu-count",
    "karpenter.azure.com/sku-gpu-count",
    "kubernetes.azure.com/accelerator",
    "nvidia.com/gpu.present",
)
# Taints that a node loses by itself once it is up.
STARTUP_TAINTS = (
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/network-unavailable",
    "node.cloudprovider.kubernetes.io/uninitialized",
    "node.cilium.io/agent-not-ready",
    "ebs.csi.aws.com/agent-not-ready",
    "efs.csi.aws.com/agent-not-ready",
    "karpenter.sh/unregistered",
)
STARTUP_PREFIX = "startup-taint.cluster-autoscaler.kubernetes.io/"
NO_PODS = ("NoSchedule", "NoExecute")


@dataclass(frozen=True, slots=True)
class Expression:
    """A requirement of a node selector term."""

    key: str
    operator: str
    values: tuple[str, ...]

    def holds(self, value: str | None) -> bool:
        """Whether a label's value, None where there is none, satisfies it. An operator that is not known does not."""
        match self.operator:
            case "In":
                return value is not None and value in self.values
            case "NotIn":
                return value is None or value not in self.values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
            case "Gt" | "Lt":
                return self._compares(value)
        return False

    def _compares(self, value: str | None) -> bool:
        try:
            found, bound = int(value or ""), int(self.values[0])
        except (ValueError, IndexError):
            return False
        return found > bound if self.operator == "Gt" else found < bound


@dataclass(frozen=True, slots=True)
class Toleration:
    """A toleration of a pod."""

    key: str  # empty: of every key
    operator: str
    value: str
    effect: str  # empty: of every effect

    def covers(self, taint: Object) -> bool:
        """Whether it tolerates a taint."""
        same_key = self.key in ("", taint.get("key"))
        same_value = self.operator == "Exists" or self.value == (taint.get("value") or "")
        return same_key and same_value and self.effect in ("", taint.get("effect"))


@dataclass(frozen=True, slots=True)
class Placement:
    """What a template asks of its node."""

    selector: tuple[tuple[str, str], ...]
    terms: (
        tuple[tuple[tuple[Expression, ...], tuple[Expression, ...]], ...] | None
    )  # labels and fields; any one must hold
    tolerations: tuple[Toleration, ...]
    devices: tuple[tuple[str, Decimal], ...]  # such as nvidia.com/gpu

    @classmethod
    def of(cls, template: Object) -> "Placement":
        """Read a pod template. Raises ValueError where it cannot be read."""
        spec = template.get("spec") or {}
        try:
            required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
                "requiredDuringSchedulingIgnoredDuringExecution"
            )
            terms = None if required is None else tuple(map(_term, required.get("nodeSelectorTerms") or ()))
            selector = tuple(
                sorted((str(name), str(value)) for name, value in (spec.get("nodeSelector") or {}).items())
            )
            tolerations = tuple(map(_toleration, spec.get("tolerations") or ()))
        except (AttributeError, TypeError, KeyError) as error:
            raise ValueError("the target's nodeSelector, affinity or tolerations cannot be read") from error
        requests = footprint(spec).requests
        devices = tuple(sorted((name, amount) for name, amount in requests.items() if extended(name) and amount > 0))
        return cls(selector, terms, tolerations, devices)

    def admits(self, node: Object) -> bool:
        """Whether the node's labels and taints let such a pod land there once the node is up."""
        if deleting(node) or (node.get("spec") or {}).get("unschedulable"):
            return False
        has = labels(node)
        if any(has.get(name) != value for name, value in self.selector):
            return False
        if self.terms is not None and not any(self._holds(term, node) for term in self.terms):
            return False
        return all(map(self._tolerates, (node.get("spec") or {}).get("taints") or ()))

    @staticmethod
    def _holds(term: tuple[tuple[Expression, ...], tuple[Expression, ...]], node: Object) -> bool:
        by_label, by_field = term
        if not by_label and not by_field:  # as the scheduler has it, an empty term matches no node
            return False
        on_labels = all(each.holds(labels(node).get(each.key)) for each in by_label)
        return on_labels and all(each.key == "metadata.name" and each.holds(key(node).name) for each in by_field)

    def _tolerates(self, taint: Object) -> bool:
        name = str(taint.get("key") or "")
        if taint.get("effect") not in NO_PODS or name in STARTUP_TAINTS or name.startswith(STARTUP_PREFIX):
            return True
        # Admission (ExtendedResourceToleration) lets a pod that asks for a device tolerate the taint of that name.
        return any(name == device for device, _ in self.devices) or any(each.covers(taint) for each in self.tolerations)


def landing(nodes: Iterable[Object], placement: Placement) -> tuple[Object, ...]:
    """The nodes that pods may land on, also those whose GPUs cannot be allocated yet, by name."""
    nodes = list(nodes)
    types = {labels(each).get(INSTANCE_TYPE) for each in nodes if _has(each, placement)} - {None}
    found = [each for each in nodes if placement.admits(each) and _will_have(each, placement, types)]
    return tuple(sorted(found, key=lambda each: key(each).name))


def _will_have(node: Object, placement: Placement, types: set[str | None]) -> bool:
    """Whether the node has the devices, or shows that it will."""
    if not placement.devices:
        return True
    shown = _amounts(node)
    if any(0 < shown.get(name, 0) < amount for name, amount in placement.devices):
        return False
    taints = {taint.get("key") for taint in (node.get("spec") or {}).get("taints") or ()}
    expected = (
        any(name in labels(node) for name in GPU_LABELS)
        or any(name in taints for name, _ in placement.devices)
        or labels(node).get(INSTANCE_TYPE) in types
    )
    return expected or _has(node, placement)


def _has(node: Object, placement: Placement) -> bool:
    shown = _amounts(node)
    return bool(placement.devices) and all(shown.get(name, 0) >= amount for name, amount in placement.devices)


def _amounts(node: Object) -> dict[str, Decimal]:
    return dict(_read((node.get("status") or {}).get("allocatable") or {}))


def _read(allocatable: Object) -> Iterator[tuple[str, Decimal]]:
    for name, text in allocatable.items():
        try:
            yield name, exact_quantity(text)
        except ValueError:  # then it is not known
            continue


def _term(term: Object) -> tuple[tuple[Expression, ...], tuple[Expression, ...]]:
    by_label, by_field = term.get("matchExpressions") or (), term.get("matchFields") or ()
    return tuple(map(_expression, by_label)), tuple(map(_expression, by_field))


def _expression(it: Object) -> Expression:
    return Expression(str(it["key"]), str(it["operator"]), tuple(map(str, it.get("values") or ())))


def _toleration(it: Object) -> Toleration:
    read = [str(it.get(name) or "") for name in ("key", "operator", "value", "effect")]
    return Toleration(read[0], read[1] or "Equal", read[2], read[3])
