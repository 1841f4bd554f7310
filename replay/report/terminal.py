"""The standings for people: what was replayed, the table, the plot, how each knob was tuned, and the verdicts."""

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from crds.notation.units import duration
from crds.workload import Workload
from replay.frontier import Pick, at_attainment
from replay.report.columns import percent
from replay.report.plot import area
from replay.report.series import demand, edges, means
from replay.report.table import HEADINGS, table
from replay.report.titles import CLAIRVOYANT, title
from replay.report.verdict import verdicts
from replay.scenario.actuators import NO_ACTUATORS
from replay.scenario.scenario import Scenario
from replay.tournament import Row, Standings

PLOT_ROWS, PLOT_COLUMNS = 2, 96
BESIDE_COLUMNS = 50  # of a plot that has the names beside it and not above


def show(console: Console, standings: Standings, *, policy_source: str) -> None:
    """Print everything; prose is left to the reader's own wrapping where it is not a terminal."""
    soft = not console.is_terminal
    for line in head(standings.scenario, standings.workload, policy_source):
        console.print(line, soft_wrap=soft)
    console.print()
    console.print(table(standings, console.width))
    console.print()
    for line in _plot(standings, console):
        console.print(line, no_wrap=True, overflow="crop")
    console.print()
    for line in (*_slo(standings), Text(), *_verdicts(standings), *_tunings(standings)):
        console.print(line, soft_wrap=soft)


def head(scenario: Scenario, workload: Workload, policy_source: str) -> Iterator[Text]:
    """What is played: the traffic, the policy and its SLO."""
    policy, hardware = workload.policy, scenario.hardware
    lasts = duration(round(scenario.duration_seconds))
    start = f"{scenario.initial_replicas} replica{'s' if scenario.initial_replicas != 1 else ''} at the start"
    yield Text.assemble((scenario.name, "bold"), f": {len(scenario.requests):,} requests in {lasts}, {start}")
    gpus = "" if hardware.gpus_per_replica == 1 else f" with {hardware.gpus_per_replica} GPUs each"
    prepared = f", up to {policy.max_prepared_nodes} prepared nodes" if policy.max_prepared_nodes else ""
    yield Text(
        f"{policy_source}: {policy.min_replicas} to {policy.max_replicas} replicas of {workload.profile}{gpus}, "
        f"${hardware.price_per_gpu_hour:.2f} per GPU-hour{prepared}; "
        f"SLO: {policy.attainment * 100:g}% of requests wait at most {policy.queue_wait_seconds:g} s",
        style="dim",
    )
    if scenario.actuators != NO_ACTUATORS:
        yield Text(f"every contender has: {scenario.actuators}", style="dim")


def _plot(standings: Standings, console: Console) -> Iterator[Text]:
    """Serving replicas, below the demand; all on one scale. Of the tuned contenders, as they are at our attainment."""
    scenario = standings.scenario
    fleets = [(title(row), row.outcome.score.timeline) for row in standings.rows if row.pick is not Pick.AT_COST]
    if standings.clairvoyant is not None:
        fleets.append((Text(CLAIRVOYANT, "dim"), standings.clairvoyant.outcome.score.timeline))
    label = max(name.cell_len for name, _ in fleets)
    beside = console.width - label - 12 >= BESIDE_COLUMNS
    label = label if beside else 0
    steps = max(10, min(PLOT_COLUMNS, console.width - label - 12))
    borders = edges(scenario, steps)
    needed = demand(scenario, steps)
    series = [(Text("demand", "yellow"), needed, f"{needed.max():.1f}")]
    for name, line in fleets:
        series.append((name, means(line.seconds, line.ready_replicas, borders), str(line.ready_replicas.max())))
    top = max(float(values.max()) for _, values, _ in series)
    unicode = not console.options.ascii_only
    lasts = duration(round(scenario.duration_seconds))
    indent = f"{'':{label}}  " if beside else ""
    caption = "serving replicas"
    if not beside:
        yield Text(caption, "dim")
    yield Text(f"{caption if beside else '':{label}}{indent[label:]}0{lasts:>{steps - 1}}  most", "dim")
    for name, values, most in series:
        *above, last = area(values.tolist(), top, PLOT_ROWS, unicode=unicode)
        if not beside:
            yield name
        for cells in (cells for cells in above if beside or cells.strip()):
            yield Text(f"{indent}{cells}".rstrip(), name.style)
        yield Text.assemble(
            (f"{name.plain if beside else '':{label}}{indent[label:]}{last}", name.style), (f"  {most}", "dim")
        )


def _slo(standings: Standings) -> Iterator[Text]:
    """Who meets the SLO, and at what cost; a tuned contender at the least cost that does."""
    policy, ours = standings.workload.policy, standings.rows[0]
    asked = f"the SLO, {policy.attainment * 100:g}% within {policy.queue_wait_seconds:g} s"
    for row in (row for row in standings.rows if row.pick is None):
        meets = "meets" if row.outcome.attainment >= policy.attainment else "misses"
        yield Text(
            f"{row.contender.name} {meets} {asked}: {percent(row.outcome.attainment)} "
            f"for {row.outcome.score.gpu_hours:,.2f} GPU-hours{'' if row is ours else _compared(ours, row.outcome.score.gpu_hours)}."
        )
        asked = "it"
    for contender, knob, sweep in standings.tunings:
        cheapest = at_attainment(sweep.tried, policy.attainment)
        if cheapest is None:
            yield Text(f"{contender.name} misses it at every value.")
        else:
            yield Text(
                f"{contender.name} meets it for {cheapest.gpu_hours:,.2f} GPU-hours{_compared(ours, cheapest.gpu_hours)}, "
                f"at the cheapest value tried ({cheapest.value:g} {knob.unit}, known only in hindsight)."
            )
    if standings.clairvoyant is None:
        yield Text("No schedule that was tried meets it, even with the traffic known in advance.")
    else:
        yield Text(
            f"The {CLAIRVOYANT}, a schedule made with the traffic known in advance, meets it for "
            f"{standings.clairvoyant.gpu_hours:,.2f} GPU-hours; the least possible cost may be lower still."
        )


def _compared(ours: Row, gpu_hours: float) -> str:
    """How much more or less than ours that is."""
    difference = gpu_hours / ours.outcome.score.gpu_hours - 1.0
    if f"{abs(difference):.0%}" == "0%":
        return f", as many as {ours.contender.name}"
    return f", {abs(difference):.0%} {'more' if difference > 0 else 'less'} than {ours.contender.name}"


def _tunings(standings: Standings) -> Iterator[Text]:
    """How the tuned contenders were tuned, and why a pick is missing."""
    ours = standings.rows[0]
    for contender, knob, sweep in standings.tunings:
        tried = sweep.tried
        missing = {
            Pick.AT_COST: f"every value costs more than {ours.contender.name} does",
            Pick.AT_ATTAINMENT: f"every value attains less than {ours.contender.name}'s {percent(ours.outcome.attainment)}",
        }
        for pick, why in missing.items():
            if pick not in sweep.picks:
                yield Text(f"{contender.name} has no line {HEADINGS[pick].format(ours=ours.contender.name)}: {why}.")
        yield Text(
            f"{contender.name}: {knob.name} swept over {len(tried)} values from {tried[0].value:g} to {tried[-1].value:g} "
            f"{knob.unit}, more finely around the picks.",
            style="dim",
        )
    if standings.tunings:
        yield Text(
            f"The picks are chosen in hindsight, on this trace: the best attainment at no more than {ours.contender.name}'s "
            f"cost, and the lowest cost at no less than its attainment.",
            style="dim",
        )


def _verdicts(standings: Standings) -> Iterator[Text]:
    played = {row.key for row in standings.played}
    for verdict in (each for each in verdicts(standings) if each.against.key in played):
        sides = {"better": verdict.better, "worse": verdict.worse}
        parts = [f"{side} in {', '.join(names)}" for side, names in sides.items() if names] or ["equal in all"]
        against = title(verdict.against)
        ours = standings.rows[0].contender.name
        yield Text.assemble(f"{ours} compared with ", against, f": {'; '.join(parts)}")
