"""In which columns Outrider is better than each peer, and in which worse."""

from dataclasses import dataclass

from replay.report.columns import columns
from replay.tournament import Comparison, Kind


@dataclass(frozen=True, slots=True)
class Verdict:
    """Outrider against one peer, by names of columns."""

    against: Kind
    better: tuple[str, ...]
    equal: tuple[str, ...]
    worse: tuple[str, ...]


def verdicts(comparison: Comparison) -> tuple[Verdict, ...]:
    """One for each peer that has a row."""
    judged = columns(comparison.workload.policy.queue_wait_seconds)
    found = []
    for row in comparison.rows[1:]:
        orders = [(column.name, column.order(comparison.ours, row.outcome)) for column in judged]
        better, equal, worse = (tuple(name for name, order in orders if order == side) for side in (-1, 0, 1))
        found.append(Verdict(row.kind, better, equal, worse))
    return tuple(found)
