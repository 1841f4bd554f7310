"""Numbers that are not finite never enter a decision, and never leave one: a single one would stay in the sums for good."""

import math
from dataclasses import fields, is_dataclass

from policies.errors import NotFiniteError
from policies.model import Inputs, PodSample, State
from policies.pool import Account, PoolInputs, PoolState, Usage


def require_inputs(inputs: Inputs) -> None:
    """Raise NotFiniteError, which says where, if any number of the inputs is not finite."""
    total = inputs.now_seconds
    for sample in inputs.samples:
        total += _sum(sample)
    if inputs.supply is not None:
        total += sum([unit.since_seconds or 0.0 for unit in inputs.supply.units])
    if inputs.fan is not None:
        fan = inputs.fan
        total += (
            fan.as_of_seconds + fan.headroom + fan.level_headroom + sum(fan.horizons_seconds) + sum(fan.probabilities)
        )
        total += sum([sum(row) for row in fan.values])
    for window in inputs.windows:
        total += window.start_seconds + window.end_seconds
    for stage in inputs.cold_start.stages:
        total += stage.p50_seconds + stage.p95_seconds
    if not math.isfinite(total):
        _refuse(inputs, "inputs")


def require_state(state: State) -> None:
    """Raise NotFiniteError, which says where, if any number of a state is not finite."""
    filters, tokens, capacity, curve = state.filters, state.filters.tokens, state.capacity, state.capacity.curve
    total = (filters.level or 0.0) + (filters.volatility or 0.0) + filters.arrived + filters.begun
    total += (filters.tick_seconds or 0.0) + (filters.settled_seconds or 0.0) + (filters.unlisted_seconds or 0.0)
    total += filters.headroom.factor + filters.headroom.requests + filters.headroom.late + filters.headroom.ticks
    total += tokens.requests + tokens.prompt_tokens + tokens.generation_tokens
    total += tokens.prefilled_tokens + tokens.cached_tokens
    total += (
        capacity.count + capacity.log_work_ratio + capacity.log_concurrency_ratio + (capacity.queued_seconds or 0.0)
    )
    total += curve.span_seconds + curve.running_seconds + curve.prefill_seconds + curve.decode_seconds
    total += (curve.since_seconds or 0.0) + curve.count + curve.weight + sum(curve.means) + sum(curve.moments)
    for series in (filters.arrivals, filters.levels):
        total += sum([at + value for at, value in series])
    if not math.isfinite(total):
        _refuse(state, "state")


def require_pool_inputs(inputs: PoolInputs) -> None:
    """Raise NotFiniteError, which says where, if any number of a pool's inputs is not finite."""
    total = inputs.now_seconds + inputs.node_lead_seconds + inputs.day.start_seconds + inputs.day.end_seconds
    for ask in inputs.asks:
        total += (ask.level_gpus or 0.0) + ask.price_per_gpu_hour + ask.used_gpus
        total += 0.0 if ask.seat is None else ask.seat.weight
    for unit in inputs.standby or ():
        total += unit.requested_seconds + unit.since_seconds
    for each in inputs.offerings:
        total += each.patience_seconds + (each.until_seconds or 0.0) + (each.refused_seconds or 0.0)
    if not math.isfinite(total):
        _refuse(inputs, "inputs")


def require_pool_state(state: PoolState) -> None:
    """Raise NotFiniteError, which says where, if any number of a pool's state is not finite."""
    total = (state.tick_seconds or 0.0) + (state.level or 0.0) + (state.volatility or 0.0)
    for series in (state.levels, state.standby_peaks):
        total += sum([at + value for at, value in series])
    for each in state.offerings:
        total += (each.resting_until_seconds or 0.0) + each.rest_seconds
        total += (each.refused_seconds or 0.0) + (each.landed_seconds or 0.0)
    total += _sum_of(state.account)
    if not math.isfinite(total):
        _refuse(state, "state")


def _sum_of(account: Account) -> float:
    total = (account.since_seconds or 0.0) + (account.at_seconds or 0.0) + account.day_usd
    for usage in (account.total, *[each for _, each in account.workloads]):
        total += _sum_of_usage(usage)
    total += sum([seconds + usd for _, seconds, usd in account.open_standby])
    return total + sum([since for _, since in account.ended_standby])


def _sum_of_usage(usage: Usage) -> float:
    spent = usage.standby + usage.wasted + usage.idle
    return usage.serving + usage.starting + usage.used + usage.usd + spent


def _sum(sample: PodSample) -> float:
    return (
        sample.at_seconds
        + (sample.started_seconds or 0.0)
        + (sample.running or 0.0)
        + (sample.waiting or 0.0)
        + (sample.finished_total or 0.0)
        + (sample.rejected_total or 0.0)
        + (sample.prompt_tokens_total or 0.0)
        + (sample.cached_prompt_tokens_total or 0.0)
        + (sample.generation_tokens_total or 0.0)
        + (sample.request_prompt_tokens_sum or 0.0)
        + (sample.request_prompt_tokens_count or 0.0)
        + (sample.request_generation_tokens_sum or 0.0)
        + (sample.request_generation_tokens_count or 0.0)
        + (sample.first_tokens_total or 0.0)
        + (sample.queue_times_total or 0.0)
        + (sample.late_total or 0.0)
        + (sample.engines or 0.0)
    )


def _refuse(value: object, path: str) -> None:
    """Raise for the first number that is not finite. There may be none: finite numbers can have an infinite sum."""
    if isinstance(value, float) and not math.isfinite(value):
        raise NotFiniteError(f"{path} is {value}: nothing is decided from a number that is not finite")
    if isinstance(value, tuple):
        for index, item in enumerate(value):
            _refuse(item, f"{path}[{index}]")
    elif is_dataclass(value):
        for field in fields(value):
            _refuse(getattr(value, field.name), f"{path}.{field.name}")
