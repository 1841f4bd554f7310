"""In which columns our contender is better than each other row, and in which worse."""

from dataclasses import dataclass

from replay.report.columns import columns
from replay.tournament import Row, Standings


@dataclass(frozen=True, slots=True)
class Verdict:
    """Ours compared with one row, by names of columns."""

    against: Row
    better: tuple[str, ...]
    equal: tuple[str, ...]
    worse: tuple[str, ...]


def verdicts(standings: Standings) -> tuple[Verdict, ...]:
    """One for each row but ours."""
    judged = columns(standings.workload.policy.queue_wait_seconds)
    found = []
    for row in standings.rows[1:]:
        orders = [(column.name, column.order(standings.ours, row.outcome)) for column in judged]
        better, equal, worse = (tuple(name for name, order in orders if order == side) for side in (-1, 0, 1))
        found.append(Verdict(row, better, equal, worse))
    return tuple(found)
