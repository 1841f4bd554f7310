"""What one pod of a template asks of its node, so that something else can hold exactly that place."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from autoscaler.kube.objects import Object
from crds.notation.units import exact_quantity

Amounts = Mapping[str, Decimal]
CPU, MEMORY, HUGE_PAGES = "cpu", "memory", "hugepages-"
LARGEST = Decimal(2**63 - 1)  # amount of anything that the API server knows
ALWAYS = "Always"  # the restart policy that makes an init container a sidecar


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a whole pod asks for, without the overhead of its runtime class, which admission adds to balloons as well."""

    requests: Amounts  # what the scheduler counts
    limits: Amounts  # of those resources that every container limits; never below the request

    @property
    def resources(self) -> dict[str, dict[str, str]]:
        """One container's `resources`."""
        return {"requests": _text(self.requests), "limits": _text(self.limits)}

    @property
    def has_gpu(self) -> bool:
        """Whether it has at least one accelerator of whatever vendor."""
        return any(extended(name) and amount > 0 for name, amount in self.requests.items())

    @property
    def best_effort(self) -> bool:
        """Whether the pod's quality of service is BestEffort: GPUs do not count for it."""
        return not any({**self.requests, **self.limits}.get(name) for name in (CPU, MEMORY))


def footprint(pod_spec: Object) -> Footprint:
    """The scheduler's own sum over a pod. Raises ValueError for an amount that is no quantity.

    Containers and sidecars together, or an init container beside the sidecars that are started before it, where that is more.
    What is set for the pod as a whole takes the place of that sum.
    """
    requests, limits = _most(pod_spec, _requests), _most(pod_spec, _limits)
    everywhere = [set(_limits(each)) for each in _together(pod_spec)]
    limited = set.intersection(*everywhere) if everywhere else set()
    asked, capped = _amounts(pod_spec, "requests"), _amounts(pod_spec, "limits")
    for name, amount in capped.items():  # a missing request is defaulted to the limit, unless a container has one
        if name not in asked and (name not in requests or not _overcommitted(name)):
            asked = {**asked, name: amount}
    requests = {**requests, **_of_pods(asked)}
    limits = {name: amount for name, amount in limits.items() if name in limited} | _of_pods(capped)
    limits = {name: max(amount, requests.get(name, amount)) for name, amount in limits.items()}
    limits |= {name: amount for name, amount in requests.items() if not _overcommitted(name)}
    return Footprint(_rounded(requests), _rounded(limits))


def extended(name: str) -> bool:
    """Whether a resource is a device plugin's, such as nvidia.com/gpu."""
    return "/" in name and "kubernetes.io/" not in name


def _overcommitted(name: str) -> bool:
    """Whether the API server lets a limit be above the request, or be missing."""
    return not extended(name) and not name.startswith(HUGE_PAGES)


def _of_pods(amounts: Amounts) -> dict[str, Decimal]:
    """Those that a pod as a whole can ask for."""
    return {name: amount for name, amount in amounts.items() if name in (CPU, MEMORY) or name.startswith(HUGE_PAGES)}


def _most(pod_spec: Object, of: Callable[[Object], Amounts]) -> dict[str, Decimal]:
    """The most that a pod asks for at any moment of its life."""
    most = _sum(of(each) for each in _together(pod_spec))
    sidecars: dict[str, Decimal] = {}  # started so far
    for each in pod_spec.get("initContainers") or ():
        running = _sum([sidecars, of(each)])
        if each.get("restartPolicy") == ALWAYS:
            sidecars = running
        most |= {name: max(amount, most.get(name, amount)) for name, amount in running.items()}
    return most


def _together(pod_spec: Object) -> list[Object]:
    """The containers that run side by side once the pod is up."""
    sidecars = [each for each in pod_spec.get("initContainers") or () if each.get("restartPolicy") == ALWAYS]
    return [*(pod_spec.get("containers") or ()), *sidecars]


def _requests(container: Object) -> dict[str, Decimal]:
    """A missing request is the limit, as the API defaults it."""
    return {**_limits(container), **_amounts(container, "requests")}


def _limits(container: Object) -> dict[str, Decimal]:
    return _amounts(container, "limits")


def _amounts(of: Object, kind: str) -> dict[str, Decimal]:
    """The requests or limits of a container, or of a pod as a whole."""
    resources = of.get("resources") or {}
    try:
        return {name: exact_quantity(amount) for name, amount in (resources.get(kind) or {}).items()}
    except AttributeError as error:  # the API server checks that for its own kinds only
        raise ValueError(f"not amounts by resource: {resources!r:.100}") from error


def _sum(all_amounts: Iterable[Amounts]) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {}
    for amounts in all_amounts:
        for name, amount in amounts.items():
            total[name] = total.get(name, Decimal(0)) + amount
    return total


def _rounded(amounts: Amounts) -> dict[str, Decimal]:
    """Up, as the scheduler counts: CPUs in thousandths, all else in whole units."""
    return {
        name: min(amount, LARGEST).quantize(Decimal("0.001" if name == CPU else "1"), ROUND_CEILING)
        for name, amount in amounts.items()
    }


def _text(amounts: Amounts) -> dict[str, str]:
    return {name: _amount(name, amount) for name, amount in sorted(amounts.items())}


def _amount(name: str, amount: Decimal) -> str:
    if name == CPU and amount != int(amount):
        return f"{int(amount * 1000)}m"
    whole = int(amount)
    for unit, size in (("Gi", 2**30), ("Mi", 2**20)):
        if whole and whole % size == 0:
            return f"{whole // size}{unit}"
    return str(whole)
