"""What one decision of a pool is made from: what its members ask for, and what its nodes, standby and offerings show.

Not here: when a pool decides (`loop`), and who its members are (`pools`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from autoscaler.actuators.standby.base import StandbyActuator
from autoscaler.control.pool_nodes import PoolNodes, pool_nodes
from autoscaler.control.pool_runtime import PoolRuntime
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.kube.store import Store
from autoscaler.starts.shortages import Shortages
from crds.profiles import DEFAULT_PROFILE, PROFILES
from policies import parts
from policies.ask import ask
from policies.engine import Proposal
from policies.keys import What, keys
from policies.ledger import Ledger
from policies.model import Grant, Mode
from policies.node_lead import node_lead_seconds, patience_seconds
from policies.pool import Ask, OfferingInput, PoolInputs, Seat
from policies.seen import Place
from policies.supply import ColdStart, Role

_NO_LABELS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Sources:
    """Where what a pool decides on comes from."""

    namespaces: Store  # with their labels
    nodes: Callable[[], Store]
    going: Callable[[], Collection[str]]  # nodes whose NodeClaim is being deleted
    shortages: Shortages
    standby: StandbyActuator
    ledger: Callable[[], Ledger]
    notice_taints: frozenset[str]


@dataclass(frozen=True, slots=True)
class Member:
    """A policy that joined, with its last proposal; None before its first, and where it is of another target."""

    runtime: PolicyRuntime
    proposal: Proposal | None
    asking: bool  # whether the proposal is of this turn


def pool_inputs(
    runtime: PoolRuntime, members: Sequence[Member], sources: Sources, now_seconds: float, *, on_grid: bool
) -> PoolInputs:
    """All that one decision of a pool is made from."""
    pool = runtime.pool
    nodes = pool_nodes(pool, sources.nodes(), sources.notice_taints, sources.going(), now_seconds)
    on_nodes = _replicas_on(members)
    colds = [member.runtime.cold_start for member in members] or [PROFILES[DEFAULT_PROFILE].cold_start]
    slowest = max(colds, key=node_lead_seconds)
    tracked = {node for node, _, _ in runtime.state.account.open_standby}
    return PoolInputs(
        now_seconds=now_seconds,
        on_grid=on_grid,
        asks=asks(runtime, members, sources.namespaces, nodes),
        standby=sources.standby.observe(pool, now_seconds),
        offerings=_offerings(runtime, nodes, sources, slowest, now_seconds),
        day=pool.day(now_seconds),
        node_lead_seconds=node_lead_seconds(slowest),
        leaving_nodes=0 if nodes is None else sum([nodes.nodes[at].leaving for at in on_nodes.keys() & nodes.nodes]),
        replicas_on=tuple(sorted([(node, name) for node in tracked & on_nodes.keys() for name in on_nodes[node]])),
        other_gpus=_other_gpus(runtime, nodes, members),
    )


def asks(
    runtime: PoolRuntime, members: Sequence[Member], namespaces: Store, nodes: PoolNodes | None = None
) -> tuple[Ask, ...]:
    """What each member asks for, by name; of one that has not proposed yet, what it is known to hold."""
    found = []
    for member in members:
        namespace = member.runtime.workload.namespace
        raw = namespaces.get("", namespace)
        labels = _NO_LABELS if raw is None else raw["metadata"]["labels"]
        asked = member_ask(member, runtime.seat(namespace, labels), _price(runtime, member, nodes))
        # While its namespace is not known, neither is its priority: then no other one's growth ends its holds.
        found.append(asked if raw is not None else replace(asked, needed_replicas=asked.kept_replicas))
    return tuple(sorted(found, key=lambda each: each.workload))


def member_ask(member: Member, seat: Seat | None, price_per_gpu_hour: float | None = None) -> Ask:
    """What one member asks for."""
    policy, proposal = member.runtime, member.proposal
    settled = None if member.asking else policy.plan
    if proposal is not None and not policy.target_gone and (member.asking or settled is not None):
        spec_replicas = policy.spec_replicas
        found = ask(proposal, seat, price_per_gpu_hour=price_per_gpu_hour, settled=settled, spec_replicas=spec_replicas)
        if found is not None:
            beyond = max(0, (spec_replicas or 0) - found.kept_replicas)
            return replace(found, unheeded_replicas=beyond if policy.unheeded else 0)
    workload = policy.workload
    shadow, spec_replicas = workload.mode is Mode.SHADOW, policy.spec_replicas
    held = spec_replicas if shadow and spec_replicas is not None else policy.known_replicas
    held = 0 if policy.target_gone else held
    return Ask(
        workload=policy.key,
        seat=seat,
        gpus_per_replica=workload.gpus_per_replica,
        kept_replicas=held,
        needed_replicas=held,
        held_replicas=held,
        asked=Grant(held, 0),
        serving_gpus=held * workload.gpus_per_replica,  # as far as is known
        shadow=shadow,
        price_per_gpu_hour=workload.price_per_gpu_hour if price_per_gpu_hour is None else price_per_gpu_hour,
        used_gpus=float(held * workload.gpus_per_replica),
        settled=True,
    )


def _units(member: Member) -> Sequence[tuple[str, str]]:
    """(pod, node) of the replicas that are placed."""
    supply = None if member.proposal is None else member.proposal.inputs.supply
    units = () if supply is None else supply.units
    return [(unit.name, unit.node) for unit in units if unit.node and unit.role is Role.REPLICA]


def _replicas_on(members: Sequence[Member]) -> dict[str, set[str]]:
    """By node: the members with a replica there."""
    found: dict[str, set[str]] = {}
    for member in members:
        for _, node in _units(member):
            found.setdefault(node, set()).add(member.runtime.key)
    return found


def _price(runtime: PoolRuntime, member: Member, nodes: PoolNodes | None) -> float | None:
    """What a GPU of a member costs on average on the nodes that it is on, by the pool and never by what a tenant states.

    While that is unknown, what it was; before anything was seen of it, and where it is on none of them, the dearest.
    """
    prices = {each.name: each.price_per_gpu_hour for each in runtime.pool.pool.offerings}
    dearest = max(prices.values(), default=None)
    if nodes is None or member.proposal is None or member.proposal.inputs.supply is None:
        last = runtime.price_per_gpu_hour(member.runtime.key)
        return dearest if last is None else last
    found = [prices[nodes.nodes[node].offering] for _, node in _units(member) if node in nodes.nodes]
    return sum(found) / len(found) if found else dearest


def _offerings(
    runtime: PoolRuntime, nodes: PoolNodes | None, sources: Sources, prior: ColdStart, now_seconds: float
) -> tuple[OfferingInput, ...]:
    """What is known of each offering; those of which the nodes are unknown keep what was known of them."""
    if nodes is None:
        return ()
    found = []
    for offering in runtime.pool.offerings:
        is_open, change = offering.is_open(now_seconds)
        place = nodes.place(offering.name)
        found.append(
            OfferingInput(
                name=offering.name,
                open=is_open,
                nodes=nodes.count(offering.name),
                patience_seconds=patience_seconds(_learned(sources.ledger(), place, prior)),
                until_seconds=change if is_open else None,
                refused_seconds=sources.shortages.last_seconds(runtime.pool, offering.name),
            )
        )
    return tuple(found)


def _learned(ledger: Ledger, place: Place | None, prior: ColdStart) -> ColdStart:
    return prior if place is None else parts.cold_start(ledger, keys(What("", place=place)), prior)


def _other_gpus(runtime: PoolRuntime, nodes: PoolNodes | None, members: Sequence[Member]) -> int:
    """GPUs of the pool's nodes that pods of no member hold, as far as it was looked at."""
    if nodes is None:
        return 0
    own = {(member.runtime.workload.namespace, pod) for member in members for pod, _ in _units(member)}
    found = runtime.gpus_by_pod
    return sum([gpus for node in nodes.nodes for pod, gpus in found.get(node, {}).items() if pod not in own])
