"""The fleet's demand from samples of its pods.

Arrivals are the differences of finished + running + waiting + rejected per pod: unlike throughput and queue length, they
are not censored by saturation. Weighted by tokens they are work, in replicas; before any request has finished, running +
waiting requests in units of a replica's sustainable concurrency are used instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from policies import capacity as cap
from policies.finite import require_inputs
from policies.flow import flow
from policies.level import advance_level, interrupted, level_after, ticked
from policies.model import Basis, Capacity, Demand, Filters, Inputs, PodMark, Policy, Signal, State, Verdict
from policies.signals import FAULTS, Judged, judge

RECENT_SECONDS = 30.0
DRAIN_SECONDS = 60.0  # waiting requests should be served within this time
LAG_SECONDS = 60.0  # the scale and the list of pods differ for less after each step of a rollout or of a scale-down
NEARLY_WHOLE = 0.9  # the share of pods from which that of all is estimated
DEMAND_LIMIT = 10.0  # times the maximum of replicas
LEVEL_LIMIT = 1.5  # the same: no decision needs to know more, and a level must come down again
# Whose gauges count where concurrency is measured.
GAUGES_COUNT = frozenset({Verdict.COUNTED, Verdict.FIRST, Verdict.RESET, Verdict.UNCHANGED})


@dataclass(frozen=True, slots=True)
class Observation:
    """What is observed now, and the updated filters and capacity, which are kept only on the grid."""

    demand: Demand
    filters: Filters
    capacity: Capacity
    faulty: bool  # what is seen may be wrong, or less than what there is
    judged: Sequence[Judged] = ()


def observe(policy: Policy, state: State, inputs: Inputs) -> Observation:
    """The fleet's demand at `inputs.now_seconds`. Raises NotFiniteError.

    If the reading of any pod does not count (`policies.signals`), `coverage` is below 1 and the demand is a lower bound, so
    that no count is lowered. If more than a tenth do not, the filtered level does not fall either, and nothing is learned.
    """
    require_inputs(inputs)
    judged = judge(policy, state, inputs)
    flowed = flow(policy, state, inputs.now_seconds, judged)
    filters = replace(
        flowed.filters,
        marks=_marks(state.filters, inputs, judged),
        arrivals=recent(state.filters, inputs.now_seconds, flowed.arrivals_per_second),
        unlisted_seconds=_unlisted_seconds(state.filters, inputs),
    )
    by_work = _by_work(policy, filters, judged)
    demand = _demand(policy, state.capacity, filters, inputs, judged, flowed.arrivals_per_second, by_work=by_work)
    capacity = flowed.capacity
    faulty = _faulty(filters, inputs, judged)
    if faulty and estimated(demand) is None:
        filters, capacity = interrupted(filters, inputs.now_seconds), state.capacity
    level = _level(policy, filters, demand, by_work=by_work, faulty=faulty)
    filters = (
        ticked(filters, inputs.now_seconds) if level is None else advance_level(filters, inputs.now_seconds, level)
    )
    return Observation(demand, filters, capacity, faulty, judged)


def estimated(demand: Demand) -> float | None:
    """Demand in replicas as if the pods whose readings do not count were like the others; None if there are too many.

    In a large fleet some pod is always at fault: to learn nothing meanwhile would be to learn nothing at all.
    """
    if demand.replicas is None or demand.coverage < NEARLY_WHOLE:
        return None
    return demand.replicas / demand.coverage


def _unlisted_seconds(filters: Filters, inputs: Inputs) -> float | None:
    if inputs.supply is None:
        return filters.unlisted_seconds
    if not inputs.supply.unlisted:
        return None
    return inputs.now_seconds if filters.unlisted_seconds is None else filters.unlisted_seconds


def _faulty(filters: Filters, inputs: Inputs, judged: list[Judged]) -> bool:
    since = filters.unlisted_seconds
    if inputs.supply is None or (since is not None and inputs.now_seconds - since > LAG_SECONDS):
        return True
    return any(each.verdict in FAULTS for each in judged)


def _marks(filters: Filters, inputs: Inputs, judged: list[Judged]) -> tuple[PodMark, ...]:
    """What the next readings are compared with. Without supply, nobody says that a pod is gone."""
    marks = {} if inputs.supply is not None else {mark.reading.pod: mark for mark in filters.marks}
    marks |= {each.pod: each.mark for each in judged if each.mark is not None}
    return tuple(mark for _, mark in sorted(marks.items()))


def _demand(
    policy: Policy,
    capacity: Capacity,
    filters: Filters,
    inputs: Inputs,
    judged: list[Judged],
    rate: float | None,
    *,
    by_work: bool,
) -> Demand:
    """Arrivals times the work of one request; if unknown, running + waiting over a replica's concurrency.

    `capacity` is the one before this step: what is learned from a longer queue must not lower the demand that it shows.
    """
    readings = tuple([each.reading for each in judged])
    work = cap.request_work_seconds(policy.engine, capacity, filters.tokens)
    seen = [each.sample for each in judged if each.queue and each.sample is not None]
    if not seen:
        return Demand(inputs.now_seconds, Basis.UNKNOWN, 0.0, None, None, None, None, None, work or 0.0, readings)
    waiting = sum([pod.waiting or 0.0 for pod in seen])
    running = sum([pod.running or 0.0 for pod in seen])
    if work is None and rate == 0.0 and running + waiting == 0.0:
        work = 0.0  # no request has ever been seen: idle, however much work one would be
    if by_work and work is not None and rate is not None:
        basis, demand, lately = Basis.WORK, rate * work, mean_rate(filters.arrivals, inputs.now_seconds) * work
    else:
        concurrency = cap.sustainable_concurrency(policy.engine, capacity)
        basis, demand, lately = Basis.CONCURRENCY, (running + waiting) / concurrency, running / concurrency
        work = DRAIN_SECONDS / concurrency  # so that a queue as long as one replica's concurrency asks for one replica
    limit = DEMAND_LIMIT * policy.max_replicas
    return Demand(
        at_seconds=inputs.now_seconds,
        basis=basis,
        coverage=_coverage(inputs, judged, by_work=by_work),
        replicas=min(demand, limit),
        recent_replicas=min(lately, limit),
        waiting=waiting,
        running=running,
        arrivals_per_second=rate,
        work_seconds=work,
        readings=readings,
    )


def _by_work(policy: Policy, filters: Filters, judged: list[Judged]) -> bool:
    """Whether demand is measured by work, now or as soon as a request has finished."""
    if policy.signal is not Signal.WORK:
        return False
    return filters.tokens.requests >= 1.0 or any(
        each.sample is not None and each.sample.request_prompt_tokens_count is not None for each in judged
    )


def _coverage(inputs: Inputs, judged: list[Judged], *, by_work: bool) -> float:
    """The share of the pods that serve whose readings count; pods that the scale counts and the list lacks do not."""
    if inputs.supply is None:
        return 0.0
    counts = {Verdict.COUNTED} if by_work else GAUGES_COUNT
    serving = sum([each.verdict is not Verdict.STARTING for each in judged]) + inputs.supply.unlisted
    return sum([each.verdict in counts and each.queue for each in judged]) / serving if serving else 0.0


def _level(policy: Policy, filters: Filters, demand: Demand, *, by_work: bool, faulty: bool) -> float | None:
    """The level after this demand; None while there is none.

    Below saturation, demand by concurrency is far too low: where demand by work will follow, it does not start a level.
    """
    if demand.replicas is None:
        return None
    if by_work and demand.basis is not Basis.WORK:
        return filters.level
    estimate = estimated(demand) if faulty else None
    level = level_after(filters, demand.at_seconds, demand.replicas if estimate is None else estimate)
    if estimate is None and demand.coverage < 1.0 and filters.level is not None:
        level = max(level, filters.level)
    return min(level, LEVEL_LIMIT * policy.max_replicas)


def recent(filters: Filters, now_seconds: float, rate: float | None) -> tuple[tuple[float, float], ...]:
    """The arrivals of the last 30 s, with a rate since the last tick; None if that is not known."""
    if rate is None:
        return filters.arrivals
    kept = tuple(item for item in filters.arrivals if item[0] > now_seconds - RECENT_SECONDS)
    return (*kept, (now_seconds, rate))


def mean_rate(arrivals: tuple[tuple[float, float], ...], now_seconds: float) -> float:
    """Mean over the last 30 s; each rate counts for the time since the one before, so 2 s after a tick count as 2 s."""
    total, since = 0.0, now_seconds - RECENT_SECONDS
    for until, rate in arrivals:
        if since < until <= now_seconds:
            total += rate * (until - since)
            since = until
    return total / RECENT_SECONDS
