"""How many nodes a pool holds for whichever member needs one next: the quantile of the SUM of demand over the lead of a node.

Bursts of different workloads seldom coincide, so that a few nodes serve them all. What the members hold above their demand counts;
replicas that are decided and have no node yet take nodes that stand by, which are kept for them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from policies import account
from policies.combine import whole
from policies.level import LEVEL_OFFSET, VOLATILITY_PRIOR, advance_level, interrupted, ticked
from policies.model import Filters
from policies.offerings import rests
from policies.pool import Ask, Granted, Offering, Pool, PoolInputs, PoolReason, PoolState, StandbyPhase
from policies.stabilize import remember

# Lead in seconds -> standard deviations of the sum's logarithm; for one workload it is `ladder.Z_TABLE`.
Z_TABLE = ((20.0, 1.1), (90.0, 2.4), (270.0, 3.5))
Z_LIMIT = 4.2
BASE_DEVIATION = 0.02
SAMPLING_VARIANCE = 0.004  # of the logarithm of a level of one replica
DEVIATION_LIMIT = 0.4
MEMBER_REPLICAS = 0.6  # more for each member: its count is rounded up, and rises while another's falls
MOST_GPUS = 1_000_000  # beyond which no demand is believed


class StandbyRule(StrEnum):
    """The rules that say how many nodes stand by."""

    SHARED = "SharedDemand"
    HOLD = "StandbyHold"
    UNKNOWN = "StandbyUnknown"
    LEAVING = "LeavingNodes"
    HANDOVER = "StandbyHandover"
    MINIMUM = "StandbyMinimum"
    MAXIMUM = "StandbyMaximum"
    POOL_LIMIT = "StandbyPoolLimit"
    MONEY = "StandbyMoney"
    BETWEEN_TICKS = "StandbyBetweenTicks"


@dataclass(frozen=True, slots=True)
class Held:
    """What the members have and may have, in GPUs."""

    gpus: int  # of those whose replicas can take a standby node: granted or there
    all_gpus: int  # with those that are only reported
    awaiting_gpus: int  # of the first, without a node
    members: int
    replica_gpus: int  # of the largest replica


def standby(
    pool: Pool, state: PoolState, inputs: PoolInputs, grants: Sequence[Granted]
) -> tuple[int, tuple[PoolReason, ...], PoolState]:
    """Nodes to hold, why, and what to remember. `state.account` is that of now; between two ticks it only raises."""
    held = holdings(inputs.asks, grants)
    size = min([each.gpus_per_node for each in pool.offerings], default=1) or 1
    now, last = inputs.now_seconds, _last(state, inputs)
    if not inputs.on_grid:
        after, count, reasons = state, last, (PoolReason(StandbyRule.BETWEEN_TICKS, float(last)),)
    else:
        after, gpus, why = _needed(state, inputs, held)
        count = _nodes(gpus - held.gpus + inputs.leaving_nodes * size, size)
        reasons = (PoolReason(StandbyRule.SHARED, float(count), why),)
        peaks = state.standby_peaks
        if state.tick_seconds is None and last:  # after a restart nothing goes before one hold has passed
            peaks = remember((), now, held.gpus + last * size, pool.standby.hold_seconds)
        peaks = remember(peaks, now, gpus, pool.standby.hold_seconds)
        after = replace(after, standby_peaks=peaks)
        # No more than was held: where a member scales down with its demand, no node takes its place.
        kept = min(_nodes(peaks[0][1] - held.gpus, size), last)
        count, reasons = _raised(
            count, reasons, StandbyRule.HOLD, kept, (("hold_seconds", pool.standby.hold_seconds),)
        )
        if lacking := _lacking(inputs):
            count, reasons = _raised(count, reasons, StandbyRule.UNKNOWN, last, lacking)
    count, reasons = _raised(count, reasons, StandbyRule.LEAVING, inputs.leaving_nodes)
    awaited = _awaited(held, inputs, last, size)
    if inputs.on_grid:
        count, reasons = _raised(
            count, reasons, StandbyRule.HANDOVER, count + awaited, (("awaited", float(awaited)),)
        )
    count, reasons = _raised(count, reasons, StandbyRule.MINIMUM, pool.standby.min_nodes)
    for rule, most, numbers in _limits(pool, after, inputs, held, awaited, size):
        if count > most:
            count, reasons = most, (PoolReason(rule, float(most), (("asked", float(count)), *numbers)), *reasons)
    return count, reasons, replace(after, standby_nodes=count) if inputs.on_grid else state


def holdings(asks: Sequence[Ask], grants: Sequence[Granted]) -> Held:
    """What the members have or are granted, whichever is more."""
    granted = {each.workload: each.grant for each in grants}
    gpus, all_gpus, awaiting, largest = 0, 0, 0, 1
    taking = [ask for ask in asks if not ask.shadow]
    for ask in asks:
        grant = granted.get(ask.workload)
        units = ask.held_replicas
        if grant is not None and not ask.shadow:
            units = max(units, grant.replicas) + grant.prepared_nodes
        of = min(units * ask.gpus_per_replica, MOST_GPUS)
        all_gpus += of
        if ask.shadow:
            continue
        gpus += of
        largest = max(largest, ask.gpus_per_replica)
        placed = ask.serving_gpus + ask.starting_gpus
        if placed + ask.unplaced_gpus:  # of the others nothing is known
            prepared = 0 if grant is None else grant.prepared_nodes * ask.gpus_per_replica
            awaiting += max(0, of - prepared - placed)
    return Held(gpus, all_gpus, awaiting, len(taking), largest)


def quantile_gpus(level: float, volatility: float | None, lead_seconds: float, held: Held) -> tuple[float, float]:
    """GPUs that cover the demand of all members over the lead, and the standard deviation of its logarithm."""
    offset = LEVEL_OFFSET * held.replica_gpus
    moves = VOLATILITY_PRIOR if volatility is None else volatility
    sampling = math.sqrt(SAMPLING_VARIANCE * held.replica_gpus / (level + offset))
    sigma = min(DEVIATION_LIMIT, math.hypot(moves, sampling, BASE_DEVIATION))
    return (level + offset) * math.exp(deviations(lead_seconds) * sigma) - offset, sigma


def deviations(lead_seconds: float) -> float:
    """Standard deviations to hold above the level for a lead, linear in its logarithm between the points of the table."""
    log_lead = math.log(max(lead_seconds, Z_TABLE[0][0]))
    pairs = list(pairwise(Z_TABLE))
    (low, z_low), (high, z_high) = next((pair for pair in pairs if lead_seconds <= pair[1][0]), pairs[-1])
    share = (log_lead - math.log(low)) / (math.log(high) - math.log(low))
    return min(z_low + share * (z_high - z_low), Z_LIMIT)


def _needed(
    state: PoolState, inputs: PoolInputs, held: Held
) -> tuple[PoolState, int, tuple[tuple[str, float], ...]]:
    """The filters one tick later, the GPUs that members and standby need together, and the numbers for the reason.

    A member whose level is not known needs what it holds: the filters wait for it.
    """
    taking = [ask for ask in inputs.asks if not ask.shadow]
    if not taking:
        return replace(state, tick_seconds=inputs.now_seconds, level=0.0, levels=()), 0, ()
    filters = Filters(
        tick_seconds=state.tick_seconds, level=state.level, levels=state.levels, volatility=state.volatility
    )
    level = min(sum([_level(ask) for ask in taking]), float(MOST_GPUS))
    if all(ask.level_gpus is not None for ask in taking):
        filters = advance_level(filters, inputs.now_seconds, level)
    else:
        filters = ticked(interrupted(filters, inputs.now_seconds), inputs.now_seconds)
    quantile, sigma = quantile_gpus(level, filters.volatility, inputs.node_lead_seconds, held)
    for_members = MEMBER_REPLICAS * sum([ask.gpus_per_replica for ask in taking])
    gpus = min(whole(quantile + for_members), MOST_GPUS)
    after = replace(
        state,
        tick_seconds=inputs.now_seconds,
        level=filters.level,
        levels=filters.levels,
        volatility=filters.volatility,
    )
    numbers = (
        ("level_gpus", level),
        ("sigma", sigma),
        ("deviations", deviations(inputs.node_lead_seconds)),
        ("lead_seconds", inputs.node_lead_seconds),
        ("members", float(held.members)),
        ("needed_gpus", float(gpus)),
        ("held_gpus", float(held.gpus)),
        ("leaving", float(inputs.leaving_nodes)),
    )
    return after, gpus, numbers


def _level(ask: Ask) -> float:
    if ask.level_gpus is None:
        return float(ask.held_replicas * ask.gpus_per_replica)
    return max(0.0, ask.level_gpus)


def _last(state: PoolState, inputs: PoolInputs) -> int:
    """The nodes decided last; before the first decision those that there are."""
    if state.tick_seconds is not None or inputs.standby is None:
        return state.standby_nodes
    there = sum([unit.phase is not StandbyPhase.LEAVING for unit in inputs.standby])
    return max(state.standby_nodes, there)


def _lacking(inputs: PoolInputs) -> tuple[tuple[str, float], ...]:
    """What is not known; empty if all is."""
    unknown = sum([ask.level_gpus is None for ask in inputs.asks if not ask.shadow])
    numbers = (("levels", float(unknown)),) if unknown else ()
    return (*numbers, ("standby", 1.0)) if inputs.standby is None else numbers


def _awaited(held: Held, inputs: PoolInputs, last: int, size: int) -> int:
    """Standby nodes that replicas without a node will take: only those that are there are of use to them."""
    there = last
    if inputs.standby is not None:
        there = min(last, sum([account.on_node(unit) for unit in inputs.standby]))
    return min(there, _nodes(held.awaiting_gpus, size))


def _limits(
    pool: Pool, state: PoolState, inputs: PoolInputs, held: Held, awaited: int, size: int
) -> list[tuple[StandbyRule, int, tuple[tuple[str, float], ...]]]:
    """(rule, the most nodes that it allows, numbers). Members come first: what they hold or are granted is not for standby."""
    found: list[tuple[StandbyRule, int, tuple[tuple[str, float], ...]]] = [
        (StandbyRule.MAXIMUM, max(0, pool.standby.max_nodes), ())
    ]
    room = room_gpus(pool, held, awaited * size)
    if room is not None:
        found.append((StandbyRule.POOL_LIMIT, room // size, (("limit_gpus", float(pool.limits.gpus or 0)),)))
    limit, price = pool.limits.usd_per_day, account.node_usd_per_hour(_next(pool, state, inputs))
    cost = price * account.hours_left(inputs)
    if limit is not None and cost > 0.0:
        members = account.members_usd_per_hour(inputs.asks)
        left = limit - account.projected_usd(state.account, inputs, members)
        most = awaited + max(0, int(min(left / cost, float(MOST_GPUS))))
        found.append((StandbyRule.MONEY, most, (("limit_usd", limit),)))
    return found


def room_gpus(pool: Pool, held: Held, awaited_gpus: int) -> int | None:
    """GPUs that standby nodes may have: those that wait for replicas are theirs already. None: no limit."""
    if pool.limits.gpus is None:
        return None
    return max(0, pool.limits.gpus - held.all_gpus) + awaited_gpus


def _next(pool: Pool, state: PoolState, inputs: PoolInputs) -> Offering:
    """The offering that the next node comes from."""
    resting = {each.name for each in state.offerings if rests(each, inputs.now_seconds)}
    closed = {each.name for each in inputs.offerings if not each.open}
    asked = [each for each in pool.offerings if each.name not in resting | closed]
    return (asked or list(pool.offerings))[0]


def _nodes(gpus: float, size: int) -> int:
    return whole(gpus / size)


def _raised(
    count: int,
    reasons: tuple[PoolReason, ...],
    rule: StandbyRule,
    least: int,
    numbers: tuple[tuple[str, float], ...] = (),
) -> tuple[int, tuple[PoolReason, ...]]:
    if least <= count:
        return count, reasons
    return least, (PoolReason(rule, float(least), numbers), *reasons)
