"""One decision in three phases: `observe` demand and supply, `propose` what is wanted and must be kept, `settle` the grant.

A pool grants in between (`policies.allocate`); `step` does all three for a workload without a pool. Filters advance on a
fixed grid only, so that live and replay agree; between two ticks an event may only raise.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from policies import missing, restart, stabilize
from policies.bound import Sums, by_concurrency, by_work, is_by_work
from policies.combine import SLACK, combine, whole
from policies.demand import Observation, observe
from policies.echelons import prepare
from policies.finite import require_state
from policies.headroom import trimmed
from policies.ladder import hold_seconds, lead_seconds, replica_rung
from policies.model import Decided, Demand, Echelon, Grant, Inputs, Plan, Policy, Reason, Rule, State, StepResult
from policies.recommend.predictive import demand_floor
from policies.recommend.reactive import reactive
from policies.recommend.scheduled import scheduled
from policies.recommend.total import total_floor
from policies.supply import ColdStart, Rung

GRID_SECONDS = 15.0

Rules = tuple[Callable[[int], Reason | None], ...]  # each gives another count, or None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a workload asks for at each rung, what it must keep, and what the decision is based on."""

    policy: Policy
    state: State  # before the decision
    inputs: Inputs
    seen: Observation
    decided: Decided  # what will be remembered, except for the counts
    replicas: Echelon | None  # None while not even the number of replicas is known
    prepared: Echelon | None
    needed_replicas: int = 0  # what would be asked for without the hold: present demand, under all the other rules

    @property
    def asked(self) -> Grant | None:
        """What a pool without limits grants."""
        if self.replicas is None or self.prepared is None:
            return None
        return Grant(self.replicas.count, self.prepared.count)

    @property
    def kept_replicas(self) -> int:
        """Of the replicas asked for, those that already run or were decided before: no limit of a pool refuses them."""
        spec = 0 if self.inputs.supply is None else self.inputs.supply.spec_replicas
        asked = 0 if self.replicas is None else self.replicas.count
        return min(asked, max(self.decided.replicas or 0, spec))


def step(policy: Policy, state: State, inputs: Inputs) -> StepResult:
    """The decision at `inputs.now_seconds`. The same arguments always give the same result. Raises NotFiniteError."""
    proposal = propose(policy, state, observe(policy, state, inputs), inputs)
    return settle(proposal, proposal.asked)


def next_tick(now_seconds: float) -> float:
    """The next time on the decision grid, strictly later."""
    return (now_seconds // GRID_SECONDS + 1.0) * GRID_SECONDS


def restarted(policy: Policy, cold_start: ColdStart, state: State, now_seconds: float) -> State:
    """The state after a restart: what runs now counts as decided, and nothing is scaled down until one hold has passed.

    The last decision is held as well, since the cluster may not have followed it yet.
    """
    window = hold_seconds(policy, cold_start)
    last = state.decided.replicas
    if last is None:  # restarted before, with nothing decided since
        last = max((count for at_seconds, count in state.decided.peaks if at_seconds <= now_seconds), default=0)
    peaks = stabilize.remember((), now_seconds, last, window)
    decided = Decided(peaks=peaks, blind_until_seconds=now_seconds + window)
    return replace(restart.known(state, now_seconds, now_seconds - restart.RECENT_SECONDS), decided=decided)


def urgent(policy: Policy, state: State, seen: Observation, inputs: Inputs) -> bool:
    """Whether an event between two ticks needs a decision: the reactive rule asks for more than is decided."""
    return _raises(policy, state.decided, seen.demand, _serving(state.decided, inputs))


def calm(policy: Policy, state: State, sums: Sums, ready: int | None, now_seconds: float) -> bool:
    """Whether nothing can be urgent, by sums over the pods. `ready` are the replicas that serve; None if unknown.

    If not, `urgent` has to be asked of an observation.
    """
    serving = (state.decided.replicas or 0) if ready is None else ready
    if not sums.finite or _raises(policy, state.decided, by_work(policy, state, sums, now_seconds), serving):
        return False
    concurrency = by_concurrency(policy, state, sums, now_seconds)
    return not _raises(policy, state.decided, concurrency, serving) or is_by_work(policy, state, sums, now_seconds)


def propose(policy: Policy, state: State, seen: Observation, inputs: Inputs) -> Proposal:
    """What the workload asks for now, and why. Nothing is committed."""
    decided = _start(state.decided, inputs)
    if decided.replicas is None:
        return Proposal(policy, state, inputs, seen, decided, None, None)
    seen = replace(seen, filters=replace(seen.filters, headroom=trimmed(policy, seen.filters, seen.judged, inputs)))
    lead = lead_seconds(inputs.cold_start, Rung.REQUESTED)
    total = total_floor(policy, seen.filters, inputs, lead)
    recommended = recommend(policy, decided, seen, inputs, None if total is None else _unprepared(policy, total, lead))
    replicas, reasons, decided, needed = stabilized(policy, decided, recommended, seen, inputs)
    prepared, prepared_reasons, decided = prepare(policy, decided, total, inputs, replicas, _based_on(seen))
    return Proposal(
        policy,
        state,
        inputs,
        seen,
        decided,
        Echelon(Rung.SERVING, replicas, reasons),
        Echelon(Rung.IMAGE_READY, prepared, prepared_reasons),
        needed,
    )


def settle(proposal: Proposal, grant: Grant | None) -> StepResult:
    """Commit what was granted of a proposal.

    A grant may end a hold, but removes nothing that present demand needs; it adds nothing that was not asked for.
    """
    state, inputs, seen = proposal.state, proposal.inputs, proposal.seen
    if proposal.replicas is None or proposal.prepared is None or grant is None:
        kept = replace(state, filters=seen.filters) if inputs.on_grid else state
        require_state(kept)
        return StepResult(kept, None, seen.demand)
    least = min(proposal.kept_replicas, proposal.needed_replicas)
    replicas = _granted(proposal.replicas, max(grant.replicas, least), grant.note)
    prepared = _granted(proposal.prepared, grant.prepared_nodes, grant.note)
    current = None if inputs.supply is None else inputs.supply.spec_replicas
    plan = Plan(inputs.now_seconds, (replicas, prepared), proposal.policy.mode, current)
    decided = replace(stabilize.moved(proposal.decided, replicas.count, inputs.now_seconds), prepared=prepared.count)
    if replicas.count < proposal.replicas.count:  # what was not granted is not held either
        decided = replace(decided, peaks=stabilize.lowered(decided.peaks, replicas.count))
    after = State(seen.filters, seen.capacity, decided) if inputs.on_grid else replace(state, decided=decided)
    require_state(after)
    return StepResult(after, plan, seen.demand, grant)


def recommend(
    policy: Policy, decided: Decided, seen: Observation, inputs: Inputs, unprepared: Reason | None
) -> tuple[Reason, ...]:
    """What each recommender asks for, the largest first. `unprepared` are the units that may not be prepared."""
    lead = lead_seconds(inputs.cold_start, replica_rung(policy))
    return combine(
        (
            demand_floor(policy, seen.filters, inputs.fan, inputs.now_seconds, lead),
            unprepared,
            reactive(policy, seen.demand, _serving(decided, inputs)),
            scheduled(inputs.windows, inputs.now_seconds, lead),
            Reason(Rule.MINIMUM, float(policy.min_replicas)),
        )
    )


def stabilized(
    policy: Policy, decided: Decided, recommended: tuple[Reason, ...], seen: Observation, inputs: Inputs
) -> tuple[int, tuple[Reason, ...], Decided, int]:
    """From recommendations to what is asked for, and last, what would be asked for without the hold.

    The last rule that changed the number comes first among the reasons.
    """
    now, demand = inputs.now_seconds, _based_on(seen)
    window = hold_seconds(policy, inputs.cold_start)
    recommendation = whole(recommended[0].replicas)
    # What is held for a fault is needed: its hold begins when the fault ends.
    needed = max(recommendation, decided.replicas or 0) if seen.faulty else recommendation
    peaks = stabilize.remember(decided.peaks, now, needed, window)
    rules: Rules = (
        lambda n: _unknown(decided, demand, inputs, n),
        lambda n: stabilize.scale_down_limit(policy, decided, inputs.supply, n, now),
        lambda n: stabilize.scale_up_limit(policy, decided, n, now),
        lambda n: stabilize.bound(policy, n),
    )
    held = stabilize.hold(peaks, recommendation, now, window)
    if held is None:
        replicas, reasons = _limited(rules, recommendation, recommended)
        needed_now = replicas
    else:
        replicas, reasons = _limited(rules, whole(held.replicas), (held, *recommended))
        needed_now, _ = _limited(rules, needed, recommended)
    lacking = missing.lacking(replicas, inputs, demand)
    if lacking is not None and all(reason.rule is not lacking.rule for reason in reasons):
        reasons = (*reasons, lacking)  # the level is held, so that nothing lower was asked for
    return replicas, reasons, replace(decided, peaks=peaks), needed_now


def _limited(rules: Rules, asked: int, reasons: tuple[Reason, ...]) -> tuple[int, tuple[Reason, ...]]:
    """The count after all rules. The last that changed it comes first among the reasons."""
    for rule in rules:
        reason = rule(asked)
        if reason is not None:
            asked, reasons = whole(reason.replicas), (reason, *reasons)
    return asked, reasons


def _raises(policy: Policy, decided: Decided, demand: Demand, serving: int) -> bool:
    """Whether the reactive rule asks for more than is decided. More waiting, work or recent demand never asks for less."""
    asked, current = reactive(policy, demand, serving), decided.replicas or 0
    return asked is not None and asked.replicas - SLACK > current and policy.max_replicas > current


def _serving(decided: Decided, inputs: Inputs) -> int:
    """Replicas that serve; while that is unknown, what was decided."""
    return (decided.replicas or 0) if inputs.supply is None else len(inputs.supply.ready)


def _unprepared(policy: Policy, total: Reason, lead_seconds: float) -> Reason:
    """Units beyond the limit of prepared nodes must serve, or the lead from a request would not be covered."""
    return Reason(Rule.LEAD, total.replicas - policy.max_prepared_nodes, (("lead_seconds", lead_seconds),))


def _start(decided: Decided, inputs: Inputs) -> Decided:
    """Before the first decision, what runs counts as decided."""
    if decided.replicas is not None or inputs.supply is None:
        return decided
    supply = inputs.supply
    return replace(decided, replicas=supply.spec_replicas, prepared=supply.prepared + supply.preparing)


def _unknown(decided: Decided, demand: Demand, inputs: Inputs, asked: int) -> Reason | None:
    current = decided.replicas
    if current is None or asked >= current:
        return None
    return missing.hold(current, inputs, decided.blind_until_seconds, demand)


def _based_on(seen: Observation) -> Demand:
    """The demand that a count is based on: before there is a level, it is unknown."""
    return seen.demand if seen.filters.level is not None else replace(seen.demand, coverage=0.0)


def _granted(asked: Echelon, granted: int, note: str) -> Echelon:
    if granted >= asked.count:
        return asked
    reason = Reason(Rule.GRANT, float(granted), (("asked", float(asked.count)),), note)
    return Echelon(asked.rung, granted, (reason, *asked.reasons))
