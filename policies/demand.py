"""The fleet's demand from samples of its pods.

Arrivals are the differences of finished + running + waiting + rejected per pod: unlike throughput and queue length, they
are not censored by saturation. Weighted by tokens they are work, in replicas; before any request has finished, running +
waiting requests in units of a replica's sustainable concurrency are used instead.
"""

from dataclasses import dataclass, replace

from policies import capacity as cap
from policies.flow import Flow, flow, marks_after
from policies.level import advance_level, level_after
from policies.model import Basis, Capacity, Demand, Filters, Inputs, PodSample, Policy, Signal, State

STALE_SECONDS = 30.0  # two grid steps
RECENT_SECONDS = 30.0
DRAIN_SECONDS = 60.0  # waiting requests should be served within this time


@dataclass(frozen=True, slots=True)
class Observation:
    """What is observed now, and the updated filters and capacity, which are kept only on the grid."""

    demand: Demand
    filters: Filters
    capacity: Capacity


def observe(policy: Policy, state: State, inputs: Inputs) -> Observation:
    """The fleet's demand at `inputs.now_seconds`.

    A pod counts if it serves, its sample is fresh and complete and, for demand by work, its arrivals are known. If a pod
    does not count, `coverage` is below 1, the demand is a lower bound, and the filtered level does not fall.
    """
    pods, filters = _whole(inputs), state.filters
    if not pods:
        return Observation(_unknown(policy, state, inputs), _ticked(filters, inputs), state.capacity)
    flowed = flow(policy, state, inputs, pods)
    filters = replace(
        filters,
        marks=marks_after(filters, inputs, flowed.marks),
        arrivals=_recent(filters, inputs.now_seconds, flowed.arrivals_per_second),
        tokens=flowed.tokens,
    )
    by_work = policy.signal is Signal.WORK and any(pod.request_prompt_tokens_count is not None for pod in pods)
    demand = _weighed(policy, state.capacity, filters, inputs, pods, flowed, by_work=by_work)
    level = _level(filters, demand, by_work=by_work)
    filters = _ticked(filters, inputs) if level is None else advance_level(filters, inputs.now_seconds, level)
    return Observation(demand, filters, flowed.capacity)


def _whole(inputs: Inputs) -> list[PodSample]:
    """Fresh samples of serving pods with every value that arrivals need. Sleeping engines are left out: their 0 is not idle.

    A sample from the future is as stale as an equally old one: its clock is wrong.
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


def _weighed(
    policy: Policy,
    capacity: Capacity,
    filters: Filters,
    inputs: Inputs,
    pods: list[PodSample],
    flowed: Flow,
    *,
    by_work: bool,
) -> Demand:
    """Arrivals times the work of one request; if unknown, running + waiting over a replica's concurrency.

    `capacity` is the one before this step: what is learned from a longer queue must not lower the demand that it shows.
    """
    ready = len(inputs.supply.ready) if inputs.supply is not None else 0
    waiting = sum(pod.waiting or 0.0 for pod in pods)
    running = sum(pod.running or 0.0 for pod in pods)
    rate = flowed.arrivals_per_second
    work = cap.request_work_seconds(policy.engine, capacity, filters.tokens)
    if work is None and rate == 0.0 and running + waiting == 0.0:
        work = 0.0  # no request has ever been seen: idle, however much work one would be
    if by_work and work is not None and rate is not None:
        basis, demand, recent = Basis.WORK, rate * work, _mean_rate(filters.arrivals, inputs.now_seconds) * work
    else:
        concurrency = cap.sustainable_concurrency(policy.engine, capacity)
        basis, demand, recent = Basis.CONCURRENCY, (running + waiting) / concurrency, running / concurrency
        work = DRAIN_SECONDS / concurrency  # so that a queue as long as one replica's concurrency asks for one replica
    return Demand(
        at_seconds=inputs.now_seconds,
        basis=basis,
        coverage=(flowed.pods if by_work else len(pods)) / ready if ready else 0.0,
        replicas=demand,
        recent_replicas=recent,
        waiting=waiting,
        running=running,
        arrivals_per_second=rate,
        work_seconds=work,
    )


def _level(filters: Filters, demand: Demand, *, by_work: bool) -> float | None:
    """The level after this demand; None while there is none.

    Below saturation, demand by concurrency is far too low: where demand by work will follow, it does not start a level.
    """
    if demand.replicas is None or (by_work and demand.basis is not Basis.WORK):
        return filters.level
    level = level_after(filters, demand.at_seconds, demand.replicas)
    return level if demand.coverage >= 1.0 or filters.level is None else max(level, filters.level)


def _ticked(filters: Filters, inputs: Inputs) -> Filters:
    return replace(filters, tick_seconds=inputs.now_seconds)


def _recent(filters: Filters, now_seconds: float, rate: float | None) -> tuple[tuple[float, float], ...]:
    if rate is None:
        return filters.arrivals
    kept = tuple(item for item in filters.arrivals if item[0] > now_seconds - RECENT_SECONDS)
    return (*kept, (now_seconds, rate))


def _mean_rate(arrivals: tuple[tuple[float, float], ...], now_seconds: float) -> float:
    """Mean over the last 30 s; each rate counts for the time since the one before, so 2 s after a tick count as 2 s."""
    total, since = 0.0, now_seconds - RECENT_SECONDS
    for until, rate in arrivals:
        total += rate * (until - since)
        since = until
    return total / RECENT_SECONDS
