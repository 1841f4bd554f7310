"""Pools and the policies that join them, judged together where the files have both. All of it is warned of."""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from os.path import dirname
from typing import Any

from crds.advice import templates
from crds.inspection import Found
from crds.notation.timestamps import timestamp
from crds.pool import NAMESPACE_NAME, GpuPool, MemberRule
from crds.pool_landing import obstacle
from crds.resolve.problems import Problem, spell
from crds.workload import Workload
from policies.pool import Seat

_SPANNING = ("LeaderWorkerSet",)  # a replica of these may have pods on several nodes


def joined(resources: Iterable[Found], beside: Iterable[Found], now_seconds: float | None = None) -> list[Found]:
    """The same resources; a policy and its pool, both valid, get warnings for what the other one does not fit.

    `beside` are all resources of the files, such as namespaces and targets. Without `now_seconds` no offering has ended.
    """
    resources = list(resources)
    files = _Files(resources, list(beside))
    judged = []
    for found in resources:
        problems: list[Problem] = []
        if isinstance(found.resolved, Workload) and found.resolved.pool:
            problems += _of_policy(files, found, found.resolved)
        elif isinstance(found.resolved, GpuPool):
            problems += _of_pool(files, found, found.resolved, now_seconds)
        warnings = sorted((*found.warnings, *map(found.at, problems)), key=lambda pair: pair[0])
        judged.append(replace(found, warnings=tuple(warnings)) if problems else found)
    return judged


@dataclass(frozen=True, slots=True)
class _Member:
    """A policy that joins a pool of the files, as far as its seat is known."""

    workload: Workload
    seat: Seat | None
    known: bool  # whether the seat is; the labels of its namespace need not be in the files

    @property
    def name(self) -> str:
        return self.workload.policy.name

    @property
    def minimum_gpus(self) -> int:
        """Of the highest minimum that it has at any time."""
        policy, windows = self.workload.policy, self.workload.schedules
        return self.workload.gpus_per_replica * max([policy.min_replicas, *(each.min_replicas for each in windows)])


class _Files:
    def __init__(self, resources: Sequence[Found], beside: Sequence[Found]) -> None:
        self.pools = [(found, found.resolved) for found in resources if isinstance(found.resolved, GpuPool)]
        self._policies = [(found, found.resolved) for found in resources if isinstance(found.resolved, Workload)]
        self._namespaces = dict(_namespaces(beside))
        self.templates: dict[tuple[str, str, str], Mapping[str, Any]] = dict(templates(beside))

    def pool(self, name: str, beside: Found) -> GpuPool | None:
        """The pool of this name, in the same folder if it is in several: folders may be for different clusters."""
        named = [(found, pool) for found, pool in self.pools if pool.name == name]
        near = [pool for found, pool in named if dirname(found.file) == dirname(beside.file)]
        return next(iter([*near, *(pool for _, pool in named)]), None)

    def member(self, workload: Workload, pool: GpuPool) -> _Member:
        labels = self._namespaces.get(workload.namespace)
        if labels is not None:
            return _Member(workload, pool.seat(workload.namespace, labels), known=True)
        for rule in pool.rules:
            selected = _selected(rule, workload.namespace)
            if selected is None:
                return _Member(workload, None, known=False)
            if selected:
                return _Member(workload, rule.seat, known=True)
        return _Member(workload, None, known=True)

    def members(self, pool: GpuPool) -> list[_Member]:
        """The policies that join it, without those that no rule selects."""
        joins = [each for found, each in self._policies if each.pool and self.pool(each.pool, found) is pool]
        members = [self.member(each, pool) for each in joins]
        return [each for each in members if each.seat or not each.known]


def _selected(rule: MemberRule, namespace: str) -> bool | None:
    """Whether a rule selects a namespace of which only the name is known; None: that depends on its labels."""
    own = {NAMESPACE_NAME: namespace}
    terms = rule.namespaces.requirements
    if any(term.key in own and not term.matches(own) for term in terms):
        return False
    return True if all(term.key in own for term in terms) else None


def _namespaces(resources: Iterable[Found]) -> Iterator[tuple[str, Mapping[str, str]]]:
    for found in resources:
        raw = found.raw
        if isinstance(raw, Mapping) and raw.get("kind") == "Namespace" and isinstance(raw.get("metadata"), Mapping):
            labels = raw["metadata"].get("labels") or {}
            if isinstance(labels, Mapping):
                yield str(raw["metadata"].get("name")), {str(key): str(value) for key, value in labels.items()}


def _of_policy(files: _Files, found: Found, workload: Workload) -> Iterator[Problem]:
    pool, path = files.pool(workload.pool, found), "spec.pool"
    if pool is None:
        if files.pools:  # else the pools are kept elsewhere
            why = "no GPUPool of the files has this name, and while there is none the workload does not grow"
            given = [each.name for _, each in files.pools]
            close = difflib.get_close_matches(workload.pool, given, n=1)
            yield Problem(path, workload.pool, why, close[0] if close else spell(given, "or"))
        return
    member = files.member(workload, pool)
    if member.known and member.seat is None:
        why = f"no member of GPUPool {pool.name} selects namespace {workload.namespace}, so the workload does not grow"
        instead = "a member in the pool whose namespaceSelector selects it, or another pool"
        yield Problem(path, workload.pool, why, instead)
        return
    reserved = _reserved_gpus(files.members(pool), member)
    shared = None if pool.pool.limits.gpus is None else max(0, pool.pool.limits.gpus - reserved)
    limit = _least(shared, member.seat.max_gpus if member.seat else None)
    if limit is not None and member.minimum_gpus > limit:
        gpus = workload.gpus_per_replica
        why = f"its highest minimum needs {member.minimum_gpus} GPUs, and GPUPool {pool.name} grants it at most {limit}"
        why += f", as it guarantees {reserved} to others" if reserved and limit == shared else ""
        yield Problem("spec.minReplicas", workload.policy.min_replicas, why, f"minimums of at most {limit // gpus}")
    yield from _unreachable(files, workload, pool)


def _reserved_gpus(members: Sequence[_Member], own: _Member) -> int:
    """What is guaranteed to rules of other policies of the files; 0 while its own rule is not known."""
    others = {each.seat for each in members if each.seat and each.seat != own.seat}
    return sum(seat.guaranteed_gpus for seat in others) if own.seat else 0


def _unreachable(files: _Files, workload: Workload, pool: GpuPool) -> Iterator[Problem]:
    """The offerings that its replicas cannot use, each with the reason."""
    target, needed = workload.target, workload.gpus_per_replica
    spec = files.templates.get((workload.namespace, target.kind, target.name))
    for offering, place in zip(pool.pool.offerings, pool.offerings, strict=True):
        if needed > offering.gpus_per_node and target.kind not in _SPANNING:
            why = f"a replica needs {needed} GPUs, and a node of its offering {place.name} has {offering.gpus_per_node}"
            yield Problem("spec.pool", pool.name, why, "a pool whose nodes have as many, or smaller replicas")
            continue
        try:
            why_not = obstacle(spec, place) if spec is not None else None
        except (AttributeError, TypeError):  # what is wrong with a workload is not ours to say
            continue
        if why_not:
            why = f"the pods of {target.kind} {target.name} cannot land on its offering {place.name}: {why_not}"
            yield Problem(
                "spec.pool", pool.name, why, "a template that fits; until then that offering does not serve it"
            )


def _of_pool(files: _Files, found: Found, pool: GpuPool, now_seconds: float | None) -> Iterator[Problem]:
    members, limit = files.members(pool), pool.pool.limits.gpus
    for i, rule in enumerate(pool.rules):
        most = rule.seat.max_gpus
        if most is not None:
            yield from _sum(f"spec.members[{i}].maxGpus", most, [each for each in members if each.seat == rule.seat])
    if limit is not None:
        yield from _sum("spec.limits.gpus", limit, members)
    for i, place in enumerate(pool.offerings):
        ended_seconds = max((end for _, end in place.validity), default=inf)
        if now_seconds is not None and ended_seconds <= now_seconds:
            why = f"its last period ended on {timestamp(ended_seconds)}, so the offering is closed for good"
            yield Problem(f"spec.offerings[{i}].validity", place.name, why, "a later period, or no such offering")
        for other_found, other in files.pools:
            if other is pool or dirname(other_found.file) != dirname(found.file):
                continue
            same = next(
                (each for each in other.offerings if each.node_selector.items() <= place.node_selector.items()), None
            )
            if same is not None:
                why = f"all of its nodes belong to offering {same.name} of GPUPool {other.name} as well, and would count twice"
                instead = "a label that the nodes of only one of the two have"
                yield Problem(f"spec.offerings[{i}].nodeSelector", dict(place.node_selector), why, instead)
                break


def _sum(path: str, limit: int, members: Sequence[_Member]) -> Iterator[Problem]:
    """A limit that the minimums pass together; where one passes it alone, that policy is warned of."""
    needed = sum(each.minimum_gpus for each in members)
    if needed > limit and all(each.minimum_gpus <= limit for each in members):
        by_size = sorted(members, key=lambda each: (-each.minimum_gpus, each.name))
        holders = [f"{each.name} {each.minimum_gpus}" for each in by_size[:5]]
        holders += [f"{len(by_size) - 5} more"] if len(by_size) > 5 else []
        why = f"the highest minimums of the policies in the files need {needed} GPUs: {spell(holders)}"
        yield Problem(path, limit, why, f"{needed} or more, or smaller minimums")


def _least(*limits: int | None) -> int | None:
    return min((each for each in limits if each is not None), default=None)
