"""Outrider for several workloads that share a pool: one decider each, and the pool's fold between proposals and grants."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from statistics import fmean

from policies.ask import ask
from policies.engine import GRID_SECONDS, Proposal
from policies.model import Plan
from policies.node_lead import node_lead_seconds, patience_seconds
from policies.pool import Ask, Day, OfferingInput, Pool, PoolInputs, PoolPlan, PoolResult, PoolState, Seat
from policies.pool_step import pool_step
from policies.supply import Role
from replay.contenders.cluster_view import ClusterView
from replay.contenders.contender import Periodic
from replay.contenders.outrider import LEARN_PHASE_SECONDS, SCRAPE_SECONDS, Outrider
from replay.contenders.standby import StandbyNodes
from replay.sim.agenda import aligned
from replay.sim.hpa import SYNC_PHASE_SECONDS, SYNC_SECONDS

PoolWatch = Callable[[PoolState, PoolInputs, PoolResult], None]  # called with each decision of the pool


@dataclass(frozen=True, slots=True)
class Member:
    """One workload of the pool."""

    workload: str  # namespace/name
    outrider: Outrider
    seat: Seat | None
    fetches_weights: bool = False  # onto standby nodes, beside the image


@dataclass
class Pooled:
    """A pool at work. Members are by the name of their workload in the cluster."""

    pool: Pool
    members: Mapping[str, Member]
    day: Callable[[float], Day]
    is_open: Callable[[str, float], tuple[bool, float | None]]  # an offering, now -> whether, and when that changes
    watch: PoolWatch = lambda _before, _inputs, _result: None
    fills: bool = True  # has images and weights of the members fetched onto standby nodes
    plan: PoolPlan | None = None
    _state: PoolState = field(default_factory=PoolState)
    _proposals: dict[str, Proposal] = field(default_factory=dict)  # the last of each member
    _settled: dict[str, Plan | None] = field(default_factory=dict)  # its plan, of a member that does not ask now

    def attach(self, view: ClusterView) -> Sequence[Periodic]:
        """Take control of a cluster."""
        start = view.now_seconds
        self._view = view
        self._standby = StandbyNodes(view)
        for name, member in self.members.items():
            member.outrider.begin(view.workloads[name])
        return (
            Periodic(aligned(start, GRID_SECONDS), GRID_SECONDS, self._tick),
            Periodic(aligned(start, SCRAPE_SECONDS), SCRAPE_SECONDS, self._scrape),
            Periodic(aligned(start, SYNC_SECONDS, SYNC_PHASE_SECONDS), SYNC_SECONDS, self._sync),
            Periodic(aligned(start, GRID_SECONDS, LEARN_PHASE_SECONDS), GRID_SECONDS, self._learn),
        )

    def _scrape(self, now_seconds: float) -> None:
        urgent = [name for name, member in self.members.items() if member.outrider.scrape(now_seconds)]
        if urgent:
            self._turn(urgent, now_seconds, on_grid=False)

    def _tick(self, now_seconds: float) -> None:
        self._turn(self.members, now_seconds, on_grid=True)
        for member in self.members.values():
            member.outrider.fit(now_seconds)

    def _sync(self, now_seconds: float) -> None:
        for member in self.members.values():
            member.outrider.sync(now_seconds)

    def _learn(self, now_seconds: float) -> None:
        for member in self.members.values():
            if member.outrider.learns:
                member.outrider.learn(now_seconds)
        if self.fills:
            self._standby.fill({name: self.members[name].fetches_weights for name in self._most_likely()})

    def _turn(self, names: Sequence[str] | Mapping[str, Member], now_seconds: float, *, on_grid: bool) -> None:
        """Proposals, the pool's decision, and what was granted of each."""
        proposed = {name: self.members[name].outrider.propose(now_seconds, on_grid=on_grid) for name in names}
        asking = {name: proposal for name, proposal in proposed.items() if proposal is not None}
        if not asking and not on_grid:
            return
        self._proposals |= asking
        self._settled |= dict.fromkeys(asking)
        before, inputs = self._state, self._inputs(now_seconds, on_grid=on_grid)
        result = pool_step(self.pool, before, inputs)
        self.watch(before, inputs, result)
        self._state, self.plan = result.state, result.plan
        for name, proposal in asking.items():
            granted = result.plan.granted(self.members[name].workload)
            grant = None if granted is None else granted.grant
            self._settled[name] = self.members[name].outrider.settle(proposal, grant)
        self._standby.hold(result.plan.claims)

    def _inputs(self, now_seconds: float, *, on_grid: bool) -> PoolInputs:
        slowest = max((member.outrider.learned for member in self.members.values()), key=node_lead_seconds)
        offerings, patience = self._view.offerings(), patience_seconds(slowest)
        replicas_on = {name: self._replicas_on(name) for name in self.members}
        tracked = {node for node, _, _ in self._state.account.open_standby}
        nodes = self._view.nodes()
        registered = Counter([node.offering for node in nodes if node.registered_seconds is not None])
        leaving = {node.name for node in nodes if node.notice_seconds is not None}
        return PoolInputs(
            now_seconds=now_seconds,
            on_grid=on_grid,
            asks=self._asks(replicas_on),
            standby=self._view.standby(),
            offerings=tuple(
                OfferingInput(
                    each.name,
                    opened,
                    registered[each.name],  # a node that was only launched is none of the API's yet
                    patience,
                    change if opened else None,
                    each.refused_seconds,
                )
                for each in offerings
                for opened, change in (self.is_open(each.name, now_seconds),)
            ),
            day=self.day(now_seconds),
            node_lead_seconds=node_lead_seconds(slowest),
            leaving_nodes=len(leaving.intersection(chain.from_iterable(replicas_on.values()))),
            replicas_on=tuple(
                sorted(
                    (node, self.members[name].workload)
                    for name, nodes in replicas_on.items()
                    for node in tracked.intersection(nodes)
                )
            ),
        )

    def _replicas_on(self, name: str) -> list[str]:
        """The nodes of a member's replicas."""
        units = self._view.workloads[name].supply().units
        return [unit.node for unit in units if unit.node is not None and unit.role is Role.REPLICA]

    def _asks(self, replicas_on: Mapping[str, Sequence[str]]) -> tuple[Ask, ...]:
        prices = {each.name: each.price_per_gpu_hour for each in self.pool.offerings}
        price_on = {node.name: prices[node.offering] for node in self._view.nodes() if node.offering in prices}
        asks = []
        for name, proposal in self._proposals.items():
            member = self.members[name]
            found = [price_on[node] for node in replicas_on[name] if node in price_on]
            price = fmean(found) if found else max(prices.values(), default=None)
            asked = ask(proposal, member.seat, price_per_gpu_hour=price, settled=self._settled.get(name))
            if asked is not None:
                asks.append(asked)
        return tuple(sorted(asks, key=lambda each: each.workload))

    def _most_likely(self) -> list[str]:
        """Members by how much work they have: the more, the more likely one is to need the next node."""
        return sorted(self.members, key=self._level, reverse=True)

    def _level(self, name: str) -> float:
        proposal = self._proposals.get(name)
        return 0.0 if proposal is None else proposal.seen.filters.level or 0.0
