"""The list of steps: observe, recommend, combine, stabilise, bound, prepare. One policy, one decision.

Filters move on a fixed grid only, so that live and replay agree; between two ticks an event may raise, and nothing else.
"""

from collections.abc import Callable
from dataclasses import replace

from policies import stabilize
from policies.bounds import bound
from policies.combine import combine, whole
from policies.demand import Observation, observe
from policies.ladder import Rung, hold_seconds, lead_seconds, replica_rung
from policies.model import Decided, Demand, Filters, Inputs, Plan, Policy, Reason, Rule, State, StepResult
from policies.prepare import prepare, total_floor
from policies.recommend.predictive import forecast_floor, volatility_floor
from policies.recommend.reactive import reactive
from policies.recommend.scheduled import scheduled

GRID_SECONDS = 15.0


def step(policy: Policy, state: State, inputs: Inputs) -> StepResult:
    """The decision at `inputs.now_seconds`; the same arguments give the same result, always."""
    seen = observe(policy, state, inputs)
    decided = _start(state.decided, inputs)
    if decided.replicas is None:
        kept = replace(state, filters=seen.filters) if inputs.on_grid else state
        return StepResult(kept, None, seen.demand)
    asked = recommend(policy, seen.demand, seen.filters, inputs)
    replicas, reasons, decided = settle(policy, decided, asked, seen, inputs)
    prepared, prepared_reasons, decided = prepare(policy, decided, seen.filters, inputs, replicas)
    plan = Plan(inputs.now_seconds, replicas, prepared, reasons, prepared_reasons)
    decided = replace(decided, replicas=replicas, prepared=prepared)
    if inputs.on_grid:
        return StepResult(State(seen.filters, seen.capacity, decided), plan, seen.demand)
    return StepResult(replace(state, decided=decided), plan, seen.demand)


def next_tick(now_seconds: float) -> float:
    """The next time on the decision grid, strictly later."""
    return (now_seconds // GRID_SECONDS + 1.0) * GRID_SECONDS


def restarted(policy: Policy, state: State, now_seconds: float) -> State:
    """The state after a restart: what runs now is taken as decided, and nothing falls until one hold has passed.

    What had been decided last is held as well, since the cluster may not have followed it yet.
    """
    window = hold_seconds(policy)
    peaks = stabilize.remember((), now_seconds, state.decided.replicas or 0, window)
    decided = Decided(peaks=peaks, blind_until_seconds=now_seconds + window)
    return replace(state, decided=decided)


def urgent(policy: Policy, state: State, inputs: Inputs) -> bool:
    """Whether an event between two ticks deserves a step: the reactive path asks for more than is decided."""
    demand = observe(policy, state, inputs).demand
    word = reactive(policy, demand, len(inputs.supply.ready) if inputs.supply is not None else 0)
    asked = 0 if word is None else min(whole(word.replicas), policy.max_replicas)
    return asked > (state.decided.replicas or 0)


def recommend(policy: Policy, demand: Demand, filters: Filters, inputs: Inputs) -> tuple[Reason, ...]:
    """What each recommender asks for, most first."""
    lead = lead_seconds(policy, replica_rung(policy))
    ready = len(inputs.supply.ready) if inputs.supply is not None else 0
    total = total_floor(policy, filters, inputs)
    return combine(
        (
            volatility_floor(policy, filters, lead),
            forecast_floor(policy, inputs.fan, inputs.now_seconds, lead),
            None if total is None else _unprepared(policy, total),
            reactive(policy, demand, ready),
            scheduled(inputs.windows, inputs.now_seconds, lead),
            Reason(Rule.MINIMUM, float(policy.min_replicas)),
        )
    )


def settle(
    policy: Policy, decided: Decided, recommended: tuple[Reason, ...], seen: Observation, inputs: Inputs
) -> tuple[int, tuple[Reason, ...], Decided]:
    """From what is asked for to what is decided. The last rule that changed the number stands first among the reasons."""
    now = inputs.now_seconds
    window = hold_seconds(policy)
    asked = whole(recommended[0].replicas)
    peaks = stabilize.remember(decided.peaks, now, asked, window)
    rules: tuple[Callable[[int], Reason | None], ...] = (
        lambda n: stabilize.hold(peaks, n, now, window),
        lambda n: _blind(decided, seen, inputs, n),
        lambda n: stabilize.release(policy, decided, n, now),
        lambda n: stabilize.growth(policy, decided, n, now),
        lambda n: bound(policy, n),
    )
    replicas, reasons = asked, recommended
    for rule in rules:
        word = rule(replicas)
        if word is not None:
            replicas, reasons = whole(word.replicas), (word, *reasons)
    return replicas, reasons, _moved(replace(decided, peaks=peaks), replicas, now)


def _unprepared(policy: Policy, total: Reason) -> Reason:
    """What may not be prepared has to serve, or the long lead is not covered."""
    numbers = (("lead_seconds", lead_seconds(policy, Rung.REQUESTED)),)
    return Reason(Rule.LEAD, total.replicas - policy.max_prepared_nodes, numbers)


def _start(decided: Decided, inputs: Inputs) -> Decided:
    """Before the first decision, what runs is what was decided."""
    if decided.replicas is not None or inputs.supply is None:
        return decided
    supply = inputs.supply
    return replace(decided, replicas=supply.spec_replicas, prepared=supply.prepared + supply.preparing)


def _blind(decided: Decided, seen: Observation, inputs: Inputs, asked: int) -> Reason | None:
    """Nothing falls on missing data, after a restart, or between two ticks."""
    current = decided.replicas
    if current is None or asked >= current:
        return None
    coverage = seen.demand.coverage
    if inputs.supply is None or coverage <= 0.0 or seen.filters.level is None:
        return Reason(Rule.UNKNOWN, float(current))
    if coverage < 1.0:
        return Reason(Rule.PARTIAL, float(current), (("coverage", coverage),))
    if decided.blind_until_seconds is not None and inputs.now_seconds < decided.blind_until_seconds:
        left = decided.blind_until_seconds - inputs.now_seconds
        return Reason(Rule.RESTARTED, float(current), (("left_seconds", left),))
    if not inputs.on_grid:
        return Reason(Rule.BETWEEN_TICKS, float(current))
    return None


def _moved(decided: Decided, replicas: int, now_seconds: float) -> Decided:
    current = decided.replicas or 0
    grown = tuple(item for item in decided.grown if item[0] > now_seconds - stabilize.MINUTE_SECONDS)
    if replicas > current:
        return replace(decided, grown=(*grown, (now_seconds, current)))
    if replicas < current:
        return replace(decided, grown=grown, released_seconds=now_seconds)
    return replace(decided, grown=grown)
