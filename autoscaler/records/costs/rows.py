"""One line of costs, and how lines are summed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

from policies.account import HOUR_SECONDS, added
from policies.pool import Usage

NOTHING = Usage()


@dataclass(frozen=True, slots=True)
class Row:
    """What one workload's GPUs were for on one day. Without a workload: a pool's own part, which no member has taken."""

    day: str = ""
    workload: str = ""  # namespace/name
    pool: str = ""  # empty: none
    owner: str = ""  # of a pool's member rule, or of the pool; empty: none is stated
    usage: Usage = NOTHING
    prepared: float = 0.0  # GPU-seconds of `usage.starting` that were those of prepared nodes

    @property
    def requested_hours(self) -> float:
        """GPU-hours that were held for it, of standby too."""
        usage = self.usage
        return (usage.serving + usage.starting + usage.standby + usage.wasted + usage.idle) / HOUR_SECONDS

    @property
    def used_hours(self) -> float:
        """GPU-hours that demand kept busy."""
        return self.usage.used / HOUR_SECONDS

    @property
    def standby_hours(self) -> float:
        """GPU-hours of standby: that this workload took over or, of a pool, that nobody has taken yet."""
        return self.usage.standby / HOUR_SECONDS

    @property
    def wasted_hours(self) -> float:
        """GPU-hours of standby that nobody took, and of nodes that nobody held."""
        return (self.usage.wasted + self.usage.idle) / HOUR_SECONDS


def difference(after: Usage, before: Usage) -> Usage:
    """What came to a usage."""
    return Usage(**{each.name: getattr(after, each.name) - getattr(before, each.name) for each in fields(Usage)})


def merged(rows: Iterable[Row], by: Sequence[str]) -> list[Row]:
    """The rows summed where these fields are equal; the others are empty. In the order of the fields."""
    found: dict[tuple[str, ...], Row] = {}
    for row in rows:
        key = tuple([getattr(row, name) for name in by])
        first = found.get(key) or Row(**dict(zip(by, key, strict=True)))
        found[key] = replace(first, usage=added(first.usage, row.usage), prepared=first.prepared + row.prepared)
    return [found[key] for key in sorted(found)]
