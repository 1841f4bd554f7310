"""What a valid GPUPool most likely does not mean. `outrider check` warns of it; a cluster runs the pool as it is written."""

from collections.abc import Iterator

from crds.pool import GpuPool
from crds.resolve.problems import Problem


def contradictions(pool: GpuPool) -> Iterator[Problem]:
    """The contradictions in a pool, each with what to write instead."""
    yield from _offerings(pool)
    yield from _members(pool)
    yield from _limits(pool)


def _offerings(pool: GpuPool) -> Iterator[Problem]:
    for i, place in enumerate(pool.offerings):
        at = f"spec.offerings[{i}]"
        for earlier in pool.offerings[:i]:
            wider = earlier.node_selector.items() <= place.node_selector.items()
            if wider or place.node_selector.items() <= earlier.node_selector.items():
                why = f"every node of one of {earlier.name} and {place.name} is one of the other as well, and would count twice"
                instead = f"a label that the nodes of {earlier.name} do not have, or have with another value"
                yield Problem(f"{at}.nodeSelector", dict(place.node_selector), why, instead)
                break
        if place.calendar and place.validity and not place.ever_opens():
            why = "no hour of the calendar is within a period of validity, so the offering is never open"
            yield Problem(f"{at}.calendar", place.name, why, "hours that meet a period, or no such offering")
        if pool.pool.offerings[i].max_nodes == 0:
            yield Problem(
                f"{at}.maxNodes", 0, "no node is ever asked of this offering", "1 or more, or no such offering"
            )


def _members(pool: GpuPool) -> Iterator[Problem]:
    for i, rule in enumerate(pool.rules):
        terms = set(rule.namespaces.requirements)
        earlier = next((each for each in pool.rules[:i] if set(each.namespaces.requirements) <= terms), None)
        if earlier is not None:
            why = f"{earlier.seat.member}, which comes first, selects all of its namespaces, so that no policy gets this rule"
            instead = f"this rule before {earlier.seat.member}, or a narrower selector there"
            yield Problem(f"spec.members[{i}].namespaceSelector", rule.seat.member, why, instead)
        if rule.seat.max_gpus == 0:
            why = "its policies may not have a GPU, as if no rule selected them"
            yield Problem(f"spec.members[{i}].maxGpus", 0, why, "1 or more, or no such rule")


def _limits(pool: GpuPool) -> Iterator[Problem]:
    limit, standby = pool.pool.limits.gpus, pool.pool.standby
    if limit is None:
        return
    for i, rule in enumerate(pool.rules):
        if rule.seat.max_gpus is not None and rule.seat.max_gpus > limit:
            why = f"above the pool's limit of {limit} GPUs, which counts"
            yield Problem(f"spec.members[{i}].maxGpus", rule.seat.max_gpus, why, f"{limit} or less, or unset")
    smallest = min(offering.gpus_per_node for offering in pool.pool.offerings)
    for field, nodes in (("minNodes", standby.min_nodes), ("maxNodes", standby.max_nodes)):
        if nodes * smallest > limit:
            why = f"at {smallest} GPUs a node that is more than the pool's limit of {limit} GPUs, which counts"
            yield Problem(f"spec.standby.{field}", nodes, why, f"{limit // smallest} or less")
            return
