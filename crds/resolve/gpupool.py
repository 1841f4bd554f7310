"""What a GPUPool becomes: a GpuPool, every default resolved."""

from math import inf

from crds.notation.selectors import Requirement, Selector
from crds.notation.timestamps import unix_seconds
from crds.notation.units import quantity, seconds
from crds.pool import GpuPool, MemberRule, OfferingAt, Taint
from crds.v1alpha1 import gpupool as api
from crds.workload import Schedule
from policies.pool import Limits, Offering, OfferingKind, Pool, Seat, StandbySettings

_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "absent"}


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
    more = [Requirement(it.key, _OPERATORS[it.operator], frozenset(it.values)) for it in given.match_expressions]
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
