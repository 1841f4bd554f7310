"""Counts what each workload's GPUs were for on each day: of a pool's members from its account, of all others from their decisions."""

import math
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo

from autoscaler.records.costs.rows import NOTHING, Row, difference
from policies.account import accounted, added
from policies.log import Allocation, Decision, Record
from policies.pool import Account, Usage
from policies.usage import Held, elapsed_seconds, held

GAP_SECONDS = 60.0  # from which on what ran in between was not seen
MOST = 1_000_000  # GPUs of a replica, replicas, or dollars an hour
MOST_USD = 1e12
NAME_CHARACTERS = 253  # of a name in Kubernetes


@dataclass
class Costs:
    """Rows by day, workload and pool, of records between two times (Unix seconds, None: no limit); of one workload, if it is given."""

    zone: tzinfo
    workload: str | None = None
    start_seconds: float | None = None
    end_seconds: float | None = None
    first_seconds: float | None = None  # of what is counted
    last_seconds: float | None = None
    records: int = 0
    unseen_seconds: float = 0.0  # of all workloads and pools: between two decisions more than a minute apart
    uncounted_gaps: int = 0  # of more than a day
    _rows: dict[tuple[str, str, str], Row] = field(default_factory=dict)  # by day, workload, pool
    _held: dict[str, tuple[float, Held]] = field(default_factory=dict)  # by workload: when, and what
    _accounts: dict[str, Account] = field(default_factory=dict)  # by pool
    _members: dict[str, tuple[float, frozenset[str]]] = field(
        default_factory=dict
    )  # by pool: at its last tick, and when

    def add(self, record: Record) -> None:
        """Take the next record; those of one workload or pool come in order of time. What it raises on a damaged log is `NONSENSE`."""
        if isinstance(record, Allocation):
            self._allocated(record)
        elif isinstance(record, Decision) and record.inputs.on_grid:
            self._decided(record)

    def rows(self) -> list[Row]:
        """By day, owner, workload and pool; a pool's own part comes after its members'."""
        found = [row for row in self._rows.values() if row.usage != NOTHING or row.prepared]
        return sorted(found, key=lambda row: (row.day, row.owner, not row.workload, row.workload, row.pool))

    def _decided(self, decision: Decision) -> None:
        name, now, policy = decision.policy.name, decision.inputs.now_seconds, decision.policy
        if not 0.0 <= policy.price_per_gpu_hour <= MOST or not 0 <= policy.gpus_per_replica <= MOST:
            raise ValueError(f"a number of GPUs or a price that is not 0 to {MOST:,}")
        before_seconds, before = self._held.get(name, (None, None))
        if before_seconds is not None and now <= before_seconds:
            return  # logged twice
        holds = held(policy, decision.inputs, decision.demand, decision.plan, before)
        self._held[name] = now, holds
        if any(name in members and now - at <= GAP_SECONDS for at, members in self._members.values()):
            return  # its pool counts it, unless that is gone
        seconds = self._elapsed(before_seconds, now)
        usage = holds.usage(seconds, policy.price_per_gpu_hour)
        self._count(now - seconds, now, name, "", "", usage, holds.prepared * seconds)

    def _allocated(self, allocation: Allocation) -> None:
        pool, inputs, now = allocation.pool, allocation.inputs, allocation.inputs.now_seconds
        account = self._accounts.get(pool.name)
        if account is not None and inputs.on_grid and now <= (account.at_seconds or -math.inf):
            return  # logged twice
        if allocation.before is not None and not _follows(allocation.before.account, account):
            account = allocation.before.account
        account = account or Account()
        self._accounts[pool.name] = account
        if not inputs.on_grid:
            return
        after = accounted(pool, account, inputs)
        self._accounts[pool.name] = after
        self._members[pool.name] = now, frozenset([ask.workload for ask in inputs.asks])
        since = now - self._elapsed(account.at_seconds, now, is_counted=True)
        prepared = {ask.workload: ask.held_prepared * ask.gpus_per_replica * (now - since) for ask in inputs.asks}
        owners = {ask.workload: "" if ask.seat is None else ask.seat.owner for ask in inputs.asks}
        before, members = dict(account.workloads), NOTHING
        for name, usage in after.workloads:
            change = difference(usage, before.get(name, NOTHING))
            members = added(members, change)
            self._count(since, now, name, pool.name, owners.get(name, ""), change, prepared.get(name, 0.0))
        if self.workload is None:
            self._count(since, now, "", pool.name, pool.owner, _own(account, after, members))

    def _elapsed(self, before: float | None, now: float, *, is_counted: bool = False) -> float:
        """Since the tick before. `is_counted`: also after more than a day, up to the day."""
        seconds = elapsed_seconds(before, now)
        if before is not None and self._is_within(now):
            self.unseen_seconds += seconds if seconds > GAP_SECONDS else 0.0
            self.uncounted_gaps += not is_counted and now > before and not seconds
        return seconds

    def _count(
        self, since: float, now: float, workload: str, pool: str, owner: str, usage: Usage, prepared: float = 0.0
    ) -> None:
        """Count what was held from `since` to `now`, on the day on which it began."""
        if not self._is_within(now) or self.workload not in (None, workload):
            return
        for name in (workload, pool, owner):
            if len(name) > NAME_CHARACTERS or not name.isprintable():
                raise ValueError(f"a name of over {NAME_CHARACTERS} characters, or with some that cannot be printed")
        self.records += 1
        self.first_seconds = since if self.first_seconds is None else min(self.first_seconds, since)
        self.last_seconds = now if self.last_seconds is None else max(self.last_seconds, now)
        day = datetime.fromtimestamp(since, self.zone).date().isoformat()
        key = day, workload, pool
        row = self._rows.get(key) or Row(day, workload, pool, owner)
        total = added(row.usage, usage)
        if not -MOST_USD <= total.usd <= MOST_USD:
            raise ValueError("a cost that is not finite, or of over a trillion dollars")
        self._rows[key] = replace(row, owner=owner or row.owner, usage=total, prepared=row.prepared + prepared)

    def _is_within(self, now: float) -> bool:
        after_start = self.start_seconds is None or now >= self.start_seconds
        return after_start and (self.end_seconds is None or now <= self.end_seconds)


def _follows(stated: Account, folded: Account | None) -> bool:
    """Whether a state that is logged again is the one that was folded."""
    return folded is not None and stated.at_seconds == folded.at_seconds and stated.total == folded.total


def _own(before: Account, after: Account, members: Usage) -> Usage:
    """What changed of a pool's own part: standby that nobody has taken yet, or at all, and nodes that nobody held."""
    total = difference(after.total, before.total)
    return Usage(
        standby=_open_seconds(after) - _open_seconds(before),
        wasted=total.wasted,
        idle=total.idle,
        usd=total.usd - members.usd,
    )


def _open_seconds(account: Account) -> float:
    return sum([seconds for _, seconds, _ in account.open_standby])
