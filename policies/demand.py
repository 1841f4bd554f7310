"""Per-pod samples in, fleet demand out.

Arrivals are the differences of finished + running + waiting + rejected per pod: unlike throughput and queue length they
are not censored by saturation. Clients that hang up make them a lower bound, so a difference is clamped at zero. Weighted
by tokens they are replicas of work; before any request has finished, running + waiting in units of a replica's sustainable
concurrency stand in.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from policies import capacity as cap
from policies.model import Basis, Capacity, Demand, Filters, Inputs, PodMark, PodSample, Policy, Signal, State, Tokens

STALE_SECONDS = 30.0  # two grid steps
RECENT_SECONDS = 30.0
TOKENS_TAU_SECONDS = 600.0
LEVEL_TAU_SECONDS = 120.0  # beats 30 s by 5 % of cost
SATURATED_QUEUE = (
    0.25  # waiting over running: the one or two that wait for the next step of an idle engine teach nothing
)
DRAIN_SECONDS = 60.0  # what waits is to be served within this time
VOLATILITY_TAU_SECONDS = 1800.0
VOLATILITY_LAG_SECONDS = 300.0
VOLATILITY_PRIOR = 0.1  # a level's move in 5 min, before any was seen
LEVEL_OFFSET = 0.5  # replicas; keeps logarithms of small fleets calm
COUNTERS = (
    "prompt_tokens_total",
    "cached_prompt_tokens_total",
    "generation_tokens_total",
    "request_prompt_tokens_sum",
    "request_prompt_tokens_count",
    "request_generation_tokens_sum",
    "request_generation_tokens_count",
)


@dataclass(frozen=True, slots=True)
class Observation:
    """What is seen now, and the filters that saw it. Off the grid the filters are a preview and are not kept."""

    demand: Demand
    filters: Filters
    capacity: Capacity


@dataclass(frozen=True, slots=True)
class _Flow:
    """What went through the pods since their marks."""

    pods: int  # whose arrivals can be told: they have a mark, and a sample that is younger
    arrivals_per_second: float | None  # None: no pod was seen before, so nothing can be subtracted
    tokens: Tokens
    capacity: Capacity


def observe(policy: Policy, state: State, inputs: Inputs) -> Observation:
    """The fleet's demand at `inputs.now_seconds`.

    A pod counts if it serves, its sample is fresh and whole, and its arrivals can be told, where they are asked for; where
    one does not, `coverage` is below 1 and the demand is a lower bound, under which the filtered level does not fall.
    """
    pods = _whole(inputs)
    filters = state.filters
    ready = len(inputs.supply.ready) if inputs.supply is not None else 0
    if not pods:
        blind = replace(filters, tick_seconds=inputs.now_seconds)
        return Observation(_unknown(policy, state, inputs), blind, state.capacity)
    flow = _flow(policy, state, inputs, pods)
    waiting = sum(pod.waiting or 0.0 for pod in pods)
    running = sum(pod.running or 0.0 for pod in pods)
    # What was learned in this step speaks from the next one on: a longer queue must not lower the demand that it shows.
    work = cap.request_work_seconds(policy.engine, state.capacity, flow.tokens)
    concurrency = cap.sustainable_concurrency(policy.engine, state.capacity)
    arrivals = filters.arrivals
    if flow.arrivals_per_second is not None:
        arrivals = _recent(filters, inputs.now_seconds, flow.arrivals_per_second)
    by_work = policy.signal is Signal.WORK and any(pod.request_prompt_tokens_count is not None for pod in pods)
    coverage = (flow.pods if by_work else len(pods)) / ready if ready else 0.0
    if work is None and flow.arrivals_per_second == 0.0 and running + waiting == 0.0:
        work = 0.0  # no request has ever been seen, and none is there: idle whatever a request would take
    if by_work and work is not None and flow.arrivals_per_second is not None:
        basis, demand = Basis.WORK, flow.arrivals_per_second * work
        recent = _mean_rate(arrivals, inputs.now_seconds) * work
    else:
        basis, demand = Basis.CONCURRENCY, (running + waiting) / concurrency
        recent = running / concurrency
        work = DRAIN_SECONDS / concurrency  # so that a queue of one replica's concurrency asks for one replica
    # Below saturation concurrency says far too little, so that no level is begun with it where work will tell.
    level = filters.level if by_work and basis is not Basis.WORK else _level(filters, inputs.now_seconds, demand)
    if coverage < 1.0 and filters.level is not None and level is not None:
        level = max(level, filters.level)
    seen = Demand(
        at_seconds=inputs.now_seconds,
        basis=basis,
        coverage=coverage,
        replicas=demand,
        recent_replicas=recent,
        waiting=waiting,
        running=running,
        arrivals_per_second=flow.arrivals_per_second,
        work_seconds=work,
    )
    filters = replace(filters, marks=_marks(filters, inputs, pods), arrivals=arrivals, tokens=flow.tokens)
    if level is None:
        return Observation(seen, replace(filters, tick_seconds=inputs.now_seconds), flow.capacity)
    return Observation(seen, advance_level(filters, inputs.now_seconds, level), flow.capacity)


def backfill(filters: Filters, points: Iterable[tuple[float, float]]) -> Filters:
    """Filters that have lived through history: (seconds, demand in replicas), ascending. Later than the last tick only."""
    for at_seconds, demand in points:
        if filters.tick_seconds is None or at_seconds > filters.tick_seconds:
            filters = advance_level(filters, at_seconds, _level(filters, at_seconds, demand))
    return filters


def advance_level(filters: Filters, now_seconds: float, level: float) -> Filters:
    """The filters one tick later: the level, its last 5 min, and how much it moves in 5 min."""
    dt = _elapsed(filters, now_seconds)
    oldest = (
        now_seconds - VOLATILITY_LAG_SECONDS - min(dt, VOLATILITY_LAG_SECONDS)
    )  # what moved in a gap is no volatility
    levels = tuple(item for item in filters.levels if item[0] >= oldest)
    volatility = VOLATILITY_PRIOR if filters.volatility is None else filters.volatility
    if levels and now_seconds - levels[0][0] >= 0.8 * VOLATILITY_LAG_SECONDS:
        move = abs(math.log((level + LEVEL_OFFSET) / (levels[0][1] + LEVEL_OFFSET)))
        volatility += _gain(dt, VOLATILITY_TAU_SECONDS) * (move - volatility)
    return replace(
        filters, tick_seconds=now_seconds, level=level, levels=(*levels, (now_seconds, level)), volatility=volatility
    )


def _whole(inputs: Inputs) -> list[PodSample]:
    """Fresh samples of serving pods in which all that arrivals need is there. A sleeping engine shows 0 and lies.

    One from the future is no fresher than one from the past: its clock is wrong.
    """
    newest = {sample.pod: sample for sample in sorted(inputs.samples, key=lambda sample: sample.at_seconds)}
    serving = set(inputs.supply.ready) if inputs.supply is not None else newest.keys()
    return [
        sample
        for sample in newest.values()
        if sample.pod in serving
        and abs(inputs.now_seconds - sample.at_seconds) <= STALE_SECONDS
        and not sample.asleep
        and None not in (sample.running, sample.waiting, sample.finished_total)
    ]


def _unknown(policy: Policy, state: State, inputs: Inputs) -> Demand:
    work = cap.request_work_seconds(policy.engine, state.capacity, state.filters.tokens)
    return Demand(inputs.now_seconds, Basis.UNKNOWN, 0.0, None, None, None, None, None, work or 0.0)


def _flow(policy: Policy, state: State, inputs: Inputs, pods: list[PodSample]) -> _Flow:
    filters, capacity = state.filters, state.capacity
    marks = {mark.pod: mark for mark in filters.marks}
    fade = math.exp(-_elapsed(filters, inputs.now_seconds) / TOKENS_TAU_SECONDS)
    sums = [fade * value for value in _token_sums(filters.tokens)]
    rate: float | None = None
    told = 0
    for pod in pods:
        before = _before(filters, marks.get(pod.pod), pod)
        now = _mark(pod, before)
        if before is None or now.at_seconds <= before.at_seconds:
            continue
        told += 1
        span = now.at_seconds - before.at_seconds
        rate = (rate or 0.0) + max(0.0, now.arrived_total - before.arrived_total) / span
        grown = _growth(before, now)
        sums = [total + more for total, more in zip(sums, grown, strict=True)]
        if before.saturated and now.saturated and _grown_up(pod):
            generated = _grew(before, now, "generation_tokens_total")
            done = cap.work_seconds(policy.engine, max(0.0, grown[3] - grown[4]), generated)
            capacity = cap.learn(capacity, policy.engine, span, done, pod.running or 0.0)
    return _Flow(told, rate, Tokens(*sums), capacity)


def _token_sums(tokens: Tokens) -> tuple[float, float, float, float, float]:
    return (
        tokens.requests,
        tokens.prompt_tokens,
        tokens.generation_tokens,
        tokens.prefilled_tokens,
        tokens.cached_tokens,
    )


def _growth(before: PodMark, now: PodMark) -> tuple[float, float, float, float, float]:
    return (
        _grew(before, now, "request_prompt_tokens_count"),
        _grew(before, now, "request_prompt_tokens_sum"),
        _grew(before, now, "request_generation_tokens_sum"),
        _grew(before, now, "prompt_tokens_total"),
        _grew(before, now, "cached_prompt_tokens_total"),
    )


def _grew(before: PodMark, now: PodMark, counter: str) -> float:
    """A counter's growth; one that fell was reset and gives nothing for this step."""
    return max(0.0, float(getattr(now, counter)) - float(getattr(before, counter)))


def _grown_up(pod: PodSample) -> bool:
    return pod.started_seconds is None or pod.at_seconds - pod.started_seconds >= cap.MIN_AGE_SECONDS


def _before(filters: Filters, mark: PodMark | None, pod: PodSample) -> PodMark | None:
    """The pod's mark. Counters start at zero with the process: one that was born since needs no earlier sample."""
    since = filters.tick_seconds if mark is None else mark.at_seconds
    if since is None or pod.started_seconds is None or pod.started_seconds < since:
        return mark
    if mark is not None and _mark(pod, mark).arrived_total >= mark.arrived_total:
        return mark  # nothing was reset: the pod's clock is ahead of ours
    return PodMark(pod.pod, since, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, saturated=False)


def _mark(pod: PodSample, before: PodMark | None) -> PodMark:
    """The pod's counters; one that this sample lacks stays where it was, so that its return is no jump."""
    arrived = (pod.finished_total or 0.0) + (pod.running or 0.0) + (pod.waiting or 0.0) + (pod.rejected_total or 0.0)
    counters = {name: _counter(pod, before, name) for name in COUNTERS}
    saturated = (pod.waiting or 0.0) > SATURATED_QUEUE * ((pod.running or 0.0) + 1.0)
    return PodMark(pod=pod.pod, at_seconds=pod.at_seconds, arrived_total=arrived, saturated=saturated, **counters)


def _counter(pod: PodSample, before: PodMark | None, name: str) -> float:
    value: float | None = getattr(pod, name)
    if value is not None:
        return value
    return 0.0 if before is None else float(getattr(before, name))


def _marks(filters: Filters, inputs: Inputs, pods: list[PodSample]) -> tuple[PodMark, ...]:
    """Marks of the pods that were seen, and the old ones of serving pods that were not: their counters go on meanwhile."""
    old = {mark.pod: mark for mark in filters.marks}
    seen = {pod.pod: _mark(pod, old.get(pod.pod)) for pod in pods}
    serving = set(inputs.supply.ready) if inputs.supply is not None else set(seen)
    kept = {name: mark for name, mark in old.items() if name in serving or inputs.supply is None}
    return tuple(mark for _, mark in sorted((kept | seen).items()))


def _recent(filters: Filters, now_seconds: float, rate: float) -> tuple[tuple[float, float], ...]:
    kept = tuple(item for item in filters.arrivals if item[0] > now_seconds - RECENT_SECONDS)
    return (*kept, (now_seconds, rate))


def _mean_rate(arrivals: tuple[tuple[float, float], ...], now_seconds: float) -> float:
    """Over the last 30 s; each rate holds since the one before it, so that 2 s after a tick weigh as 2 s."""
    total, since = 0.0, now_seconds - RECENT_SECONDS
    for until, rate in arrivals:
        total += rate * (until - since)
        since = until
    return total / RECENT_SECONDS


def _level(filters: Filters, now_seconds: float, demand: float) -> float:
    if filters.level is None:
        return demand
    return filters.level + _gain(_elapsed(filters, now_seconds), LEVEL_TAU_SECONDS) * (demand - filters.level)


def _elapsed(filters: Filters, now_seconds: float) -> float:
    return max(0.0, now_seconds - filters.tick_seconds) if filters.tick_seconds is not None else 0.0


def _gain(dt_seconds: float, tau_seconds: float) -> float:
    return 1.0 - math.exp(-dt_seconds / tau_seconds)
