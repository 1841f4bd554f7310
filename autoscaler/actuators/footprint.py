"""What one pod of a template asks of its node, so that something else can hold exactly that place."""

from collections.abc import Iterable, Mapping
from typing import Any

from autoscaler.kube.objects import Object
from crds.notation.units import quantity

Amounts = Mapping[str, str]
CPU = "cpu"


def footprint(pod_spec: Object) -> dict[str, dict[str, str]]:
    """Requests and limits of a whole pod, as one container's `resources`.

    The scheduler's own sum: containers and sidecars together, or the largest init container where that is more. Limits
    are given only where every container has them. Raises ValueError for an amount that is no quantity.
    """
    containers = list(pod_spec.get("containers") or ())
    init = list(pod_spec.get("initContainers") or ())
    together = containers + [each for each in init if each.get("restartPolicy") == "Always"]
    alone = [each for each in init if each.get("restartPolicy") != "Always"]
    requests = _largest([_sum(_requests(each) for each in together), *(_numbers(_requests(each)) for each in alone)])
    limits = _largest([_sum(_limits(each) for each in together), *(_numbers(_limits(each)) for each in alone)])
    everywhere = set.intersection(*(set(_limits(each)) for each in together)) if together else set()
    kept = {name: amount for name, amount in limits.items() if name in everywhere or extended(name)}
    return {"requests": _text(requests), "limits": _text(kept)}


def extended(name: str) -> bool:
    """Whether a resource is a device plugin's, such as nvidia.com/gpu: its limit is its request."""
    return "/" in name and not name.startswith("kubernetes.io/")


def holds_gpu(resources: Mapping[str, Amounts]) -> bool:
    """Whether a footprint has at least one accelerator of whatever vendor."""
    return any(extended(name) and quantity(amount) > 0 for name, amount in resources["limits"].items())


def _requests(container: Object) -> Amounts:
    """A missing request is the limit, as the API defaults it."""
    resources = container.get("resources") or {}
    return {**_limits(container), **(resources.get("requests") or {})}


def _limits(container: Object) -> Amounts:
    limits: Amounts = (container.get("resources") or {}).get("limits") or {}
    return limits


def _numbers(amounts: Mapping[str, Any]) -> dict[str, float]:
    return {name: quantity(amount) for name, amount in amounts.items()}


def _sum(all_amounts: Iterable[Amounts]) -> dict[str, float]:
    total: dict[str, float] = {}
    for amounts in all_amounts:
        for name, amount in _numbers(amounts).items():
            total[name] = total.get(name, 0.0) + amount
    return total


def _largest(candidates: Iterable[Mapping[str, float]]) -> dict[str, float]:
    most: dict[str, float] = {}
    for amounts in candidates:
        for name, amount in amounts.items():
            most[name] = max(most.get(name, 0.0), amount)
    return most


def _text(amounts: Mapping[str, float]) -> dict[str, str]:
    return {name: _amount(name, amount) for name, amount in sorted(amounts.items())}


def _amount(name: str, amount: float) -> str:
    if name == CPU and amount != int(amount):
        return f"{round(amount * 1000)}m"
    whole = round(amount)
    for unit, size in (("Gi", 2**30), ("Mi", 2**20)):
        if whole and whole % size == 0:
            return f"{whole // size}{unit}"
    return str(whole)
