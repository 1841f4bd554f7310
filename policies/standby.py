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
from policies.offerings import PLACED, rests
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
    """Nodes to hold, why, and what to remember. `state.account` is that of now.

    Between two ticks nothing is remembered, and only nodes that are given notice raise the count.
    """
    held, last = holdings(inputs.asks, grants), _last(state, inputs)
    after, count, reasons = _recommended(pool, state, inputs, held, last) if inputs.on_grid else _kept(state, last)
    count, reasons = _raised(count, reasons, StandbyRule.LEAVING, inputs.leaving_nodes)
    awaited = awaited_nodes(pool, inputs, held)
    if inputs.on_grid:  # beside what demand asks for, but not beside what is held: that was decided with them
        least = int(reasons[-1].nodes) + awaited
        count, reasons = _raised(count, reasons, StandbyRule.HANDOVER, least, (("awaited", float(awaited)),))
    count, reasons = _raised(count, reasons, StandbyRule.MINIMUM, pool.standby.min_nodes)
    for rule, most, numbers in _limits(pool, state, inputs, held, awaited):
        if count > most:
            reasons = (PoolReason(rule, float(most), (("asked", float(count)), *numbers)), *reasons)
            count = most
    return count, reasons, replace(after, standby_nodes=count) if inputs.on_grid else state


def _recommended(
    pool: Pool, state: PoolState, inputs: PoolInputs, held: Held, last: int
) -> tuple[PoolState, int, tuple[PoolReason, ...]]:
    """What is remembered at a tick, and the nodes that demand asks for, or that are held."""
    now, size, window = inputs.now_seconds, _size(pool), pool.standby.hold_seconds
    after, gpus, numbers = _needed(state, inputs, held)
    count = _nodes(gpus - held.gpus + inputs.leaving_nodes * size, size)
    reasons: tuple[PoolReason, ...] = (PoolReason(StandbyRule.SHARED, float(count), numbers),)
    peaks = state.standby_peaks
    if inputs.standby is not None or not _begins(state):
        if _begins(state) and last:  # after a restart nothing goes before one hold has passed
            peaks = remember((), now, held.gpus + last * size, window)
        # The peak of all GPUs, not of standby nodes: where replicas take these over, nothing is missing.
        peaks = remember(peaks, now, gpus, window)
        # No more than was held: where a member scales down with its demand, no node takes its place.
        kept = min(_nodes(peaks[0][1] - held.gpus, size), last)
        count, reasons = _raised(count, reasons, StandbyRule.HOLD, kept, (("hold_seconds", window),))
    if lacking := _lacking(inputs):
        count, reasons = _raised(count, reasons, StandbyRule.UNKNOWN, last, lacking)
    return replace(after, standby_peaks=peaks), count, reasons


def _kept(state: PoolState, last: int) -> tuple[PoolState, int, tuple[PoolReason, ...]]:
    return state, last, (PoolReason(StandbyRule.BETWEEN_TICKS, float(last)),)


def holdings(asks: Sequence[Ask], grants: Sequence[Granted]) -> Held:
    """What the members have or are granted, whichever is more."""
    granted = {each.workload: each.grant for each in grants}
    gpus, all_gpus, awaiting, largest = 0, 0, 0, 1
    taking = [ask for ask in asks if not ask.shadow]
    for ask in asks:
        grant = granted.get(ask.workload)
        replicas, prepared = ask.held_replicas, ask.held_prepared
        if grant is not None and not ask.shadow:
            replicas, prepared = max(replicas, grant.replicas), grant.prepared_nodes
        of = min((replicas + prepared) * ask.gpus_per_replica, MOST_GPUS)
        all_gpus += of
        if ask.shadow:
            continue
        gpus += of
        largest = max(largest, ask.gpus_per_replica)
        placed = ask.serving_gpus + ask.starting_gpus
        awaiting += max(0, replicas * ask.gpus_per_replica - placed)
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


def _needed(state: PoolState, inputs: PoolInputs, held: Held) -> tuple[PoolState, int, tuple[tuple[str, float], ...]]:
    """The filters one tick later, the GPUs that members and standby need together, and the numbers for the reason.

    A member whose level is not known needs what it holds: the filters wait for it.
    """
    taking = [ask for ask in inputs.asks if not ask.shadow]
    if not taking:
        return replace(state, tick_seconds=inputs.now_seconds, level=0.0, levels=()), 0, ()
    filters = Filters(
        tick_seconds=state.tick_seconds, level=state.level, levels=state.levels, volatility=state.volatility
    )
    level = min(_levels(taking), float(MOST_GPUS))
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


def _levels(asks: Sequence[Ask]) -> float:
    """The demand of all members, in GPUs."""
    of_rules: dict[str, list[Ask]] = {}
    for ask in asks:
        of_rules.setdefault("" if ask.seat is None else ask.seat.member, []).append(ask)
    return sum([_level(of_rule) for of_rule in of_rules.values()])


def _level(asks: Sequence[Ask]) -> float:
    """The demand of one member rule's workloads. What these may not have is no reason for a node: its limit, or what they hold."""
    held = [float(ask.held_replicas * ask.gpus_per_replica) for ask in asks]
    levels = [has if ask.level_gpus is None else max(0.0, ask.level_gpus) for ask, has in zip(asks, held, strict=True)]
    seat = asks[0].seat
    if seat is None:
        return sum(map(min, levels, held))
    return sum(levels) if seat.max_gpus is None else min(sum(levels), max(float(seat.max_gpus), sum(held)))


def _begins(state: PoolState) -> bool:
    """Whether no decision since the start has known which standby nodes there are."""
    return not state.standby_peaks


def _last(state: PoolState, inputs: PoolInputs) -> int:
    """The nodes decided last; with the first decision that knows of them, those that there are as well."""
    if not _begins(state) or inputs.standby is None:
        return state.standby_nodes
    there = sum([unit.phase is not StandbyPhase.LEAVING for unit in inputs.standby])
    return max(state.standby_nodes, there)


def _lacking(inputs: PoolInputs) -> tuple[tuple[str, float], ...]:
    """What is not known; empty if all is."""
    unknown = sum([ask.level_gpus is None for ask in inputs.asks if not ask.shadow])
    numbers = (("levels", float(unknown)),) if unknown else ()
    return (*numbers, ("standby", 1.0)) if inputs.standby is None else numbers


def awaited_nodes(pool: Pool, inputs: PoolInputs, held: Held) -> int:
    """Standby nodes that replicas without a node will take: only those that are there are of use to them."""
    there = sum([unit.phase in PLACED for unit in inputs.standby or ()])
    return min(there, _nodes(held.awaiting_gpus, _size(pool)))


def _limits(
    pool: Pool, state: PoolState, inputs: PoolInputs, held: Held, awaited: int
) -> list[tuple[StandbyRule, int, tuple[tuple[str, float], ...]]]:
    """(rule, the most nodes that it allows, numbers). Members come first: what they hold or are granted is not for standby."""
    found: list[tuple[StandbyRule, int, tuple[tuple[str, float], ...]]] = [
        (StandbyRule.MAXIMUM, max(0, pool.standby.max_nodes), ())
    ]
    room = room_gpus(pool, inputs, held)
    if room is not None:
        found.append((StandbyRule.POOL_LIMIT, room // _size(pool), (("limit_gpus", float(pool.limits.gpus or 0)),)))
    limit = pool.limits.usd_per_day
    if limit is None or not pool.offerings:
        return found
    cost = account.node_usd_per_hour(_next(pool, state, inputs)) * account.hours_left(inputs)
    if cost > 0.0:
        members = account.members_usd_per_hour(inputs.asks)
        left = limit - account.projected_usd(state.account, inputs, members)
        most = awaited + max(0, int(min(left / cost, float(MOST_GPUS))))
        found.append((StandbyRule.MONEY, most, (("limit_usd", limit),)))
    return found


def room_gpus(pool: Pool, inputs: PoolInputs, held: Held) -> int | None:
    """GPUs that standby nodes may have: those that replicas wait for are counted among theirs. None: no limit."""
    if pool.limits.gpus is None:
        return None
    return max(0, pool.limits.gpus - held.all_gpus) + awaited_nodes(pool, inputs, held) * _size(pool)


def _next(pool: Pool, state: PoolState, inputs: PoolInputs) -> Offering:
    """The offering that the next node comes from."""
    resting = {each.name for each in state.offerings if rests(each, inputs.now_seconds)}
    closed = {each.name for each in inputs.offerings if not each.open}
    asked = [each for each in pool.offerings if each.name not in resting | closed]
    return (asked or list(pool.offerings))[0]


def _size(pool: Pool) -> int:
    """The GPUs of a node: of the smallest, so that there are never too few nodes."""
    return max(1, min([each.gpus_per_node for each in pool.offerings], default=1))


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
