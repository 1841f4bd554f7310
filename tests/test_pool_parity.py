"""The live turn of a pool and that of replay decide the same of the same members, nodes and standby, and so does a log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, cast

from autoscaler.actuators.standby.base import StandbyActuator
from autoscaler.control.granting import Granting
from autoscaler.control.pool_inputs import Member, Sources
from autoscaler.control.pool_runtime import PoolRuntime
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.kube.store import Store
from autoscaler.records.writer import Recorder
from autoscaler.starts.shortages import Shortages
from crds.pool import GpuPool
from crds.workload import Workload
from policies.engine import Proposal
from policies.ledger import Ledger
from policies.log import LogWriter, Reallocated, redecide
from policies.model import Plan
from policies.pool import Pool, PoolInputs, PoolResult, PoolState, StandbyUnit
from policies.supply import ColdStart
from replay.cluster_contenders import Contending, make
from replay.cluster_run import run
from replay.contenders.pooled import Pooled
from replay.sim.views import NodeView
from tests.replay.test_cluster_tournament import two

Decision = tuple[PoolState, PoolInputs, PoolResult]


@dataclass(frozen=True)
class Turn:
    """What one turn of the pool is made from. `plans` are None of the members that ask."""

    at_seconds: float
    on_grid: bool
    proposals: Mapping[str, Proposal]
    plans: Mapping[str, Plan | None]
    cold_starts: Mapping[str, ColdStart]
    nodes: Sequence[NodeView]
    standby: Sequence[StandbyUnit]
    refused_seconds: Mapping[str, float | None]  # by offering


@dataclass
class Filmed(Pooled):
    """A pool whose every turn is kept, as the live loop would find it."""

    turns: list[Turn] = field(default_factory=list)

    def _inputs(self, now_seconds: float, *, on_grid: bool) -> PoolInputs:
        self.turns.append(
            Turn(
                now_seconds,
                on_grid,
                dict(self._proposals),
                dict(self._settled),
                {name: member.outrider.learned for name, member in self.members.items()},
                self._view.nodes(),
                self._view.standby(),
                {each.name: each.refused_seconds for each in self._view.offerings()},
            )
        )
        return super()._inputs(now_seconds, on_grid=on_grid)


@dataclass(frozen=True)
class Known:
    """What the live turn reads of a policy's runtime."""

    workload: Workload
    cold_start: ColdStart
    plan: Plan | None
    known_replicas: int = 0
    model_name: str = ""
    spec_replicas: int | None = None
    unheeded: bool = False
    target_gone: bool = False

    @property
    def key(self) -> str:
        return self.workload.policy.name


@dataclass
class Seen:
    """The standby, the refusals and the record of the live turn."""

    turn: Turn
    decisions: list[Decision] = field(default_factory=list)

    def observe(self, _pool: GpuPool, _now_seconds: float) -> tuple[StandbyUnit, ...]:
        return tuple(self.turn.standby)

    def last_seconds(self, _pool: GpuPool, offering: str) -> float | None:
        return self.turn.refused_seconds[offering]

    def record_pool(self, _pool: Pool, before: PoolState, inputs: PoolInputs, result: PoolResult) -> None:
        self.decisions.append((before, inputs, result))


@cache
def filmed() -> tuple[GpuPool, Sequence[Turn], Sequence[Decision]]:
    """Two models on a pool that is too small for them."""
    played, decisions = two(), list[Decision]()
    ours = make(played, Contending("outrider"))
    assert isinstance(ours, Pooled)
    film = Filmed(ours.pool, ours.members, ours.day, ours.is_open, lambda *each: decisions.append(each))
    run(played.scenario, film, dict.fromkeys(played.workloads, 5.0))
    assert played.pool is not None
    assert played.pool.pool == ours.pool
    return played.pool, film.turns, decisions


def live_decisions(pool: GpuPool, turns: Sequence[Turn]) -> list[Decision]:
    """What the live turn decides, each time of what replay saw."""
    labelled = tuple(replace(each, node_selector={"offering": each.name}) for each in pool.offerings)
    runtime, seen = PoolRuntime(replace(pool, offerings=labelled), PoolState()), Seen(turns[0])
    nodes, namespaces = Store(), Store()
    nodes.synced = namespaces.synced = True
    parts = {part.name: part for part in two().scenario.workloads}
    namespaces.replace([_namespace(each.namespace, dict(each.labels)) for each in parts.values()])
    sources = Sources(
        namespaces=namespaces,
        nodes=lambda: nodes,
        going=tuple,
        shortages=cast(Shortages, seen),
        standby=cast(StandbyActuator, seen),
        ledger=Ledger,
        notice_taints=frozenset(),
    )
    granting = Granting({pool.name: runtime}, lambda _: "", sources, cast(Recorder, seen))
    for seen.turn in turns:
        turn = seen.turn
        registered = [it for it in turn.nodes if it.registered_seconds is not None]  # others are no Node objects yet
        nodes.replace([{"metadata": {"name": it.name, "labels": {"offering": it.offering}}} for it in registered])
        members = [_member(name, turn) for name in turn.proposals]
        grants = granting.grants(pool.name, members, turn.at_seconds, on_grid=turn.on_grid)
        assert list(grants.values()) == list(seen.decisions[-1][2].plan.grants)
    return seen.decisions


def _member(name: str, turn: Turn) -> Member:
    known = Known(two().workloads[name], turn.cold_starts[name], turn.plans[name])
    return Member(cast(PolicyRuntime, known), turn.proposals[name], asking=turn.plans[name] is None)


def _namespace(name: str, labels: Mapping[str, str]) -> Any:
    return {"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name, **labels}}}


def test_both_shells_decide_the_same_for_a_pool() -> None:
    pool, turns, offline = filmed()
    assert any(not turn.on_grid for turn in turns)
    assert any(each.refusal for _, _, result in offline for each in result.plan.grants)
    assert len({result.plan.claims for _, _, result in offline}) > 1
    live = live_decisions(pool, turns)
    for (before, inputs, result), (_, theirs, expected) in zip(live, offline, strict=True):
        assert inputs == theirs
        assert result == expected
        assert before.account.at_seconds is None or before.account.at_seconds <= inputs.now_seconds


def test_a_log_of_what_replay_decides_for_a_pool_is_redecided_alike() -> None:
    pool, _, offline = filmed()
    writer = LogWriter("any")
    lines = [writer.opening()]
    for before, inputs, result in offline:
        lines += writer.allocated(pool.pool, before, inputs, result)
    again = [each for each in redecide(lines) if isinstance(each, Reallocated)]
    assert len(again) == len(offline)
    assert all(each.matches for each in again)
