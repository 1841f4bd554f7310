"""What a GPUPool becomes: a GpuPool, every default resolved."""

from collections.abc import Iterator
from itertools import islice
from math import inf

from crds.notation.selectors import EXPRESSIONS, Requirement, Selector
from crds.notation.timestamps import unix_seconds
from crds.notation.units import quantity, seconds
from crds.pool import GpuPool, MemberRule, OfferingAt, Taint
from crds.resolve.problems import Problem, locate, spell
from crds.v1alpha1 import gpupool as api
from crds.workload import Schedule
from policies.pool import Limits, Offering, OfferingKind, Pool, Seat, StandbySettings


def pool(resource: api.GPUPool) -> GpuPool:
    """The pool of a valid GPUPool."""
    spec, metadata = resource.spec, resource.metadata
    limits, standby = spec.limits, spec.standby
    return GpuPool(
        name=metadata.name,
        generation=metadata.generation,
        uid=metadata.uid,
        pool=Pool(
            name=metadata.name,
            owner=spec.owner,
            contact=spec.contact or "",
            offerings=tuple(map(_offering, spec.offerings)),
            limits=Limits(limits.gpus, None if limits.usd_per_day is None else quantity(limits.usd_per_day)),
            standby=StandbySettings(standby.max_nodes, standby.min_nodes, seconds(standby.hold)),
        ),
        rules=tuple(map(_rule, spec.members)),
        offerings=tuple(_place(spec, offering) for offering in spec.offerings),
        node_selector=dict(spec.node_selector),
        taints=_taints(spec.taints),
        time_zone=spec.time_zone,
    )


def selector(given: api.NamespaceSelector) -> Selector:
    """A selector of namespaces; without any term it selects all of them."""
    equal = [Requirement(key, "in", frozenset((value,))) for key, value in given.match_labels.items()]
    more = [Requirement(it.key, EXPRESSIONS[it.operator], frozenset(it.values)) for it in given.match_expressions]
    return Selector((*equal, *more))


def _offering(given: api.Offering) -> Offering:
    price = quantity(given.price_per_gpu_hour)
    return Offering(given.name, OfferingKind(given.kind), price, given.gpus_per_node, given.max_nodes)


def _place(spec: api.Spec, given: api.Offering) -> OfferingAt:
    periods = (
        (unix_seconds(period.start) if period.start else -inf, unix_seconds(period.end) if period.end else inf)
        for period in given.validity
    )
    return OfferingAt(
        name=given.name,
        node_selector={**spec.node_selector, **given.node_selector},
        taints=_taints([*spec.taints, *given.taints]),
        capacity_buffer=given.capacity_buffer or "",
        validity=tuple(sorted(periods)),
        calendar=tuple(
            Schedule(given.name, tuple(hours.days), hours.start, hours.end, spec.time_zone, 0)
            for hours in given.calendar
        ),
    )


def _taints(given: list[api.Taint]) -> tuple[Taint, ...]:
    return tuple(dict.fromkeys(Taint(taint.key, taint.value, taint.effect) for taint in given))


def _rule(given: api.Member) -> MemberRule:
    seat = Seat(
        member=given.name,
        owner=given.owner or given.name,
        priority=given.priority,
        weight=float(given.weight),
        guaranteed_gpus=given.guaranteed_gpus,
        max_gpus=given.max_gpus,
    )
    return MemberRule(selector(given.namespace_selector), seat)


def clashes(document: object) -> Iterator[Problem]:
    """Offerings or members that share a name, and days that are listed twice."""
    for field, most in (("offerings", api.MOST_OFFERINGS), ("members", api.MOST_MEMBERS)):
        names: dict[str, str] = {}
        for path, item in islice(locate(document, f"spec.{field}[]"), most):
            name = item.get("name")
            if isinstance(name, str) and name in names:
                yield Problem(f"{path}.name", name, f"{names[name]} already has this name", "a different name")
            names.setdefault(str(name), path)
    most = api.MOST_OFFERINGS * api.MOST_PERIODS
    for path, hours in islice(locate(document, "spec.offerings[].calendar[]"), most):
        days = hours.get("days")
        if isinstance(days, list) and all(isinstance(day, str) for day in days) and len(set(days)) < len(days):
            yield Problem(f"{path}.days", days, "a day is listed twice", spell(dict.fromkeys(days)))
