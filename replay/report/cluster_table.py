"""The standings of a cluster as tables: one for the pool, one for each figure of the workloads."""

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from replay.cluster_run import ClusterOutcome
from replay.cluster_tournament import ClusterRow, ClusterStandings
from replay.driver import Outcome
from replay.report.columns import percent, whole

Figure = tuple[str, Callable[[ClusterOutcome], float], Callable[[float], str], bool]  # heading, value, shown, lower
OfWorkload = tuple[str, Callable[[Outcome], float], Callable[[float], str], bool]
POOL: tuple[Figure, ...] = (
    ("GPU-\nhours", lambda it: it.score.gpu_hours, lambda hours: f"{hours:,.1f}", True),
    ("cost", lambda it: it.score.cost, lambda dollars: f"${dollars:,.2f}", True),
    ("mean\nin time", lambda it: it.macro, percent, False),
    ("worst\nin time", lambda it: it.worst, percent, False),
    ("nodes\nrefused", lambda it: float(it.score.refused), whole, True),
    ("model\nswitches", lambda it: float(it.score.switches), whole, True),
    ("standby\nGPU-hours", lambda it: it.score.standby_gpu_hours, lambda hours: f"{hours:,.1f}", True),
    ("of these\nwasted", lambda it: it.score.standby_wasted_gpu_hours, lambda hours: f"{hours:,.1f}", True),
)
WORKLOADS: tuple[OfWorkload, ...] = (
    ("requests in time", lambda it: it.attainment, percent, False),
    ("GPU-hours", lambda it: it.score.gpu_hours, lambda hours: f"{hours:,.1f}", True),
)


def show(console: Console, standings: ClusterStandings, description: str) -> None:
    """Print the standings."""
    scenario = standings.played.scenario
    hours = scenario.duration_seconds / 3600.0
    requests = sum(len(each.scenario.requests) for each in scenario.workloads)
    offerings = ", ".join(f"{each.name} ${each.price_per_gpu_hour:,.2f}" for each in scenario.offerings)
    console.print(Text(f"{scenario.name}: {description or 'several workloads on one cluster'}", "bold"))
    counted = f"{len(scenario.workloads)} workload{'s' if len(scenario.workloads) > 1 else ''}"
    counted += f", {requests:,} request{'' if requests == 1 else 's'}"
    console.print(f"{hours:,.1f} h, {counted}; a GPU-hour: {offerings}\n")
    console.print(pool_table(standings))
    for figure in WORKLOADS:
        console.print()
        console.print(workload_table(standings, figure))
    for row in standings.rows:
        if not row.attains:
            console.print(f"\n{row.run.contending.name}: no value that was tried serves all workloads well enough.")


def pool_table(standings: ClusterStandings) -> Table:
    """A line for each contender; the best of a column is bold."""
    drawn = _empty()
    drawn.add_column("", no_wrap=True)
    for heading, *_ in POOL:
        drawn.add_column(heading, justify="right", vertical="bottom", no_wrap=True)
    best = [_best([value(row.outcome) for row in standings.rows], lower=lower) for _, value, _, lower in POOL]
    for row in standings.rows:
        cells = zip(POOL, best, strict=True)
        drawn.add_row(_name(row), *(_cell(value(row.outcome), top, shown) for (_, value, shown, _), top in cells))
    return drawn


def workload_table(standings: ClusterStandings, figure: OfWorkload) -> Table:
    """One figure: a line for each contender, a column for each workload."""
    heading, value, shown, lower = figure
    drawn = _empty()
    drawn.add_column(heading, no_wrap=True)
    names = [each.name for each in standings.played.scenario.workloads]
    for name in names:
        drawn.add_column(name, justify="right")
    best = [_best([value(row.outcome.workloads[name]) for row in standings.rows], lower=lower) for name in names]
    for row in standings.rows:
        cells = zip(names, best, strict=True)
        drawn.add_row(_name(row), *(_cell(value(row.outcome.workloads[name]), top, shown) for name, top in cells))
    return drawn


def _empty() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 0, 0, 2), header_style="bold")


def _name(row: ClusterRow) -> Text:
    return Text(row.run.name, row.run.contending.entry.style)


def _best(values: Sequence[float], *, lower: bool) -> float:
    return min(values) if lower else max(values)


def _cell(value: float, best: float, shown: Callable[[float], str]) -> Text:
    return Text(shown(value), "bold" if shown(value) == shown(best) else "")
