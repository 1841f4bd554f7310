"""How many balloons the ResourceQuotas of a namespace leave room for, once every replica up to its maximum has its share.

Pure: quotas as the API has them, and what each policy of the namespace needs. Not here: reading either.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from autoscaler.actuators.footprint import CPU, HUGE_PAGES, LARGEST, MEMORY, Footprint, extended
from autoscaler.kube.objects import Object, key
from crds.notation.units import exact_quantity

STORAGE = "ephemeral-storage"
REQUESTS, LIMITS = "requests.", "limits."
JOBS = "count/jobs.batch"
_NONE = Decimal(0)


@dataclass(frozen=True, slots=True)
class Counted:
    """What a quota counts of one object, and by what its scopes choose pods."""

    amounts: Mapping[str, Decimal]  # by the quota's own names
    priority_class: str
    best_effort: bool
    other_namespaces: bool  # whether its affinity looks at pods of other namespaces


@dataclass(frozen=True, slots=True)
class Need:
    """What a policy needs of its namespace's quotas, now and at its maximum."""

    replica: Counted
    balloon: Counted
    most_replicas: int
    replicas: int  # that exist
    balloon_pods: int = 0  # that exist and count
    balloons: int = 0  # Jobs, also those without a pod yet


@dataclass(frozen=True, slots=True)
class Room:
    """How many balloons a policy may have by the quotas; None: as many as it likes."""

    most: int | None = None
    why: str = ""


def counted(footprint: Footprint, pod_spec: Object, priority_class: str, *, jobs: int = 0) -> Counted:
    """A pod of this footprint, and the Jobs that come with it."""
    one = Decimal(1)
    amounts = {"pods": one, "count/pods": one} | ({JOBS: Decimal(jobs)} if jobs else {})
    for name, amount in footprint.requests.items():
        if name in (CPU, MEMORY, STORAGE) or name.startswith(HUGE_PAGES):
            amounts |= {name: amount, REQUESTS + name: amount}
        elif extended(name):
            amounts[REQUESTS + name] = amount
    amounts |= {LIMITS + name: amount for name, amount in footprint.limits.items() if name in (CPU, MEMORY, STORAGE)}
    return Counted(amounts, priority_class, footprint.best_effort, _looks_elsewhere(pod_spec))


def room(quotas: Iterable[Object], own: Need, others: Iterable[Need]) -> Room:
    """What the tightest quota leaves."""
    others = list(others)
    rooms = [found for quota in quotas for found in _rooms(quota, own, others)]
    return min(rooms, key=lambda found: found.most or 0, default=Room())


def _rooms(quota: Object, own: Need, others: list[Need]) -> Iterable[Room]:
    spec, status = quota.get("spec") or {}, quota.get("status") or {}
    if not _applies(spec, own.balloon):
        return
    for name, amount in (spec.get("hard") or {}).items():
        each = own.balloon.amounts.get(name, _NONE)
        if each <= 0:
            continue
        used = (status.get("used") or {}).get(name)
        if used is None:
            yield Room(0, f"ResourceQuota {key(quota).name} has not been counted yet")
            continue
        hard = min(exact_quantity(amount), exact_quantity((status.get("hard") or {}).get(name, amount)))
        yield _left(_Line(key(quota).name, name, hard, exact_quantity(used)), spec, own, others)


@dataclass(frozen=True, slots=True)
class _Line:
    """One resource of one quota."""

    quota: str
    resource: str
    hard: Decimal
    used: Decimal


def _left(line: _Line, spec: Object, own: Need, others: list[Need]) -> Room:
    known = reserved = taken = _NONE
    for need in (own, *others):
        replica = _of(line, spec, need.replica)
        balloon = _of(line, spec, need.balloon)
        pods = need.balloons if line.resource == JOBS else need.balloon_pods
        known += need.replicas * replica + pods * balloon
        reserved += max(need.most_replicas, need.replicas) * replica
        taken += _NONE if need is own else need.balloons * balloon
    foreign = max(_NONE, line.used - known)
    left = max(_NONE, min(LARGEST, line.hard - foreign - reserved - taken))
    most = int(left // own.balloon.amounts[line.resource])
    return Room(
        most,
        f"fewer nodes are prepared than planned: of {line.hard:f} {line.resource} in ResourceQuota {line.quota}, replicas up to "
        f"maxReplicas need {reserved:f} and others use {foreign + taken:f}, so balloons are limited to {most}",
    )


def _of(line: _Line, spec: Object, one: Counted) -> Decimal:
    return one.amounts.get(line.resource, _NONE) if _applies(spec, one) else _NONE


def _applies(spec: Object, one: Counted) -> bool:
    """Whether the quota counts this pod. A scope that is not known here counts it: that can only leave less room."""
    chosen = [{"scopeName": scope, "operator": "Exists"} for scope in spec.get("scopes") or ()]
    chosen += (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    return all(_matches(each, one) for each in chosen)


def _matches(scope: Object, one: Counted) -> bool:
    match scope.get("scopeName"):
        case "Terminating":  # a pod's own deadline: a replica has none, and a balloon's is its Job's
            return False
        case "BestEffort":
            return one.best_effort
        case "NotBestEffort":
            return not one.best_effort
        case "CrossNamespacePodAffinity":
            return one.other_namespaces
        case "PriorityClass":
            return _chosen(scope, one.priority_class)
    return True


def _chosen(scope: Object, name: str) -> bool:
    values = scope.get("values") or ()
    match scope.get("operator"):
        case "In":
            return name in values
        case "NotIn":
            return name not in values
        case "DoesNotExist":
            return not name
    return bool(name)


def _looks_elsewhere(pod_spec: Object) -> bool:
    affinity = pod_spec.get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(kind) or {}
        terms = [*(rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ())]
        terms += [
            each.get("podAffinityTerm") or {}
            for each in rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        ]
        if any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms):
            return True
    return False
