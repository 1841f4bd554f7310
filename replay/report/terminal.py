"""A comparison for people: what was played, the table, the plot, how the HPA was tuned, and the verdict."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from crds.notation.units import duration
from replay import frontier
from replay.report.columns import columns, percent
from replay.report.plot import area
from replay.report.series import demand, edges, means
from replay.report.verdict import verdicts
from replay.tournament import Comparison, Kind

STYLES = {Kind.OUTRIDER: "green", Kind.REACTIVE: "red", Kind.AT_COST: "blue", Kind.AT_ATTAINMENT: "magenta"}
NAMES = {
    Kind.OUTRIDER: "Outrider",
    Kind.REACTIVE: "reactive ScaledObject",
    Kind.AT_COST: "HPA tuned, at our cost",
    Kind.AT_ATTAINMENT: "HPA tuned, at our attainment",
}
PLOT_ROWS, PLOT_COLUMNS = 2, 96


def show(console: Console, comparison: Comparison, *, policy_source: str) -> None:
    """Print everything; prose is left to the reader's own wrapping where it is not a terminal."""
    soft = not console.is_terminal
    for line in _head(comparison, policy_source):
        console.print(line, soft_wrap=soft)
    console.print()
    console.print(_table(comparison))
    console.print()
    for line in _plot(comparison, console):
        console.print(line, no_wrap=True, overflow="crop")
    console.print()
    for line in (*_tuning(comparison), *_verdicts(comparison)):
        console.print(line, soft_wrap=soft)


def _head(comparison: Comparison, policy_source: str) -> Iterator[Text]:
    scenario, policy = comparison.scenario, comparison.workload.policy
    hardware = scenario.hardware
    lasts = duration(round(scenario.duration_seconds))
    start = f"{scenario.initial_replicas} replica{'s' if scenario.initial_replicas != 1 else ''} at the start"
    yield Text.assemble((scenario.name, "bold"), f": {len(scenario.arrival_s):,} requests in {lasts}, {start}")
    gpus = "" if hardware.gpus_per_replica == 1 else f"{hardware.gpus_per_replica} GPUs each, "
    yield Text(
        f"{policy_source}: {policy.min_replicas} to {policy.max_replicas} replicas of {comparison.workload.profile}, {gpus}"
        f"${hardware.price_per_gpu_hour:g} a GPU-hour; {policy.attainment * 100:g}% of requests wait at most "
        f"{policy.queue_wait_seconds:g} s; at most {policy.max_prepared_nodes} prepared nodes",
        style="dim",
    )


def _table(comparison: Comparison) -> Table:
    """A column for each contender, so that it fits 80; the best of a line is bold."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for row in comparison.rows:
        title = NAMES[row.kind].replace("ScaledObject", "\nScaledObject").replace(", ", ",\n")
        table.add_column(Text(title, STYLES[row.kind]), justify="right", vertical="bottom")
    for column in columns(comparison.workload.policy.queue_wait_seconds):
        best = min((row.outcome for row in comparison.rows), key=column.loss)
        cells = (
            Text(column.shown(row.outcome), "bold" if column.order(best, row.outcome) == 0 else "")
            for row in comparison.rows
        )
        table.add_row(column.name, *cells)
    lines = [row.outcome.score.timeline for row in comparison.rows]
    table.add_row("most replicas", *(str(line.ready_replicas.max()) for line in lines))
    table.add_row("most prepared nodes", *(str(line.balloons.max()) for line in lines))
    table.add_row("target in flight", *("" if row.target is None else f"{row.target:g}" for row in comparison.rows))
    return table


def _plot(comparison: Comparison, console: Console) -> Iterator[Text]:
    """Replicas that serve, below the demand; all on one scale."""
    scenario = comparison.scenario
    label = max(len(NAMES[row.kind]) for row in comparison.rows)
    steps = max(10, min(PLOT_COLUMNS, console.width - label - 12))
    borders = edges(scenario, steps)
    needed = demand(scenario, steps)
    series = [("demand", "yellow", needed, f"{needed.max():.1f}")]
    for row in comparison.rows:
        line = row.outcome.score.timeline
        ready = means(line.seconds, line.ready_replicas, borders)
        series.append((NAMES[row.kind], STYLES[row.kind], ready, str(line.ready_replicas.max())))
    top = max(float(values.max()) for _, _, values, _ in series)
    unicode = (console.encoding or "").lower().startswith("utf")
    lasts = duration(round(scenario.duration_seconds))
    yield Text.assemble((f"{'replicas that serve':<{label}}  0{lasts:>{steps - 1}}  most", "dim"))
    for name, style, values, most in series:
        *above, last = area(values.tolist(), top, PLOT_ROWS, unicode=unicode)
        for cells in above:
            yield Text(f"{'':<{label}}  {cells}".rstrip(), style)
        yield Text.assemble((f"{name:<{label}}  {last}", style), (f"  {most}", "dim"))


def _tuning(comparison: Comparison) -> Iterator[Text]:
    """How the HPA was tuned, what no target could do, and what the SLO alone would cost."""
    ours, policy, tried = comparison.ours, comparison.workload.policy, comparison.sweep
    seqs = comparison.scenario.hardware.max_num_seqs
    yield Text(
        f"HPA on running + waiting: played with {len(tried)} targets from {tried[0].target:g} to {tried[-1].target:g} in "
        f"flight per replica, {frontier.STEPS} from {frontier.LEAST_SHARE:.0%} to {frontier.MOST_SHARE:.0%} of the {seqs} that "
        f"one runs and {len(tried) - frontier.STEPS} around the picks; picked with hindsight, on this very trace.",
        style="dim",
    )
    whys = {Kind.AT_COST: "every target costs more than Outrider does"}
    whys[Kind.AT_ATTAINMENT] = f"every target attains less than Outrider's {percent(ours.attainment)}"
    for kind, why in whys.items():
        if comparison.row(kind) is None:
            yield Text.assemble((NAMES[kind], STYLES[kind]), f": {why}.")
    promise = f"{policy.attainment * 100:g}% within {policy.queue_wait_seconds:g} s"
    kept = "keeps" if ours.attainment >= policy.attainment else "misses"
    cheapest = comparison.cheapest_within_slo
    if cheapest is None:
        yield Text(f"Outrider {kept} the SLO of {promise}; of the HPA's targets none does.")
    else:
        hours = f"{cheapest.target:g} in flight, {cheapest.outcome.score.gpu_hours:,.2f} GPU-hours"
        yield Text(f"Outrider {kept} the SLO of {promise}; of the HPA's targets that do, the cheapest is {hours}.")


def _verdicts(comparison: Comparison) -> Iterator[Text]:
    for verdict in verdicts(comparison):
        parts = [
            f"{word} in {', '.join(names)}"
            for word, names in (("better", verdict.better), ("worse", verdict.worse), ("equal", verdict.equal))
            if names
        ]
        yield Text.assemble(
            "Outrider beside ", (NAMES[verdict.against], STYLES[verdict.against]), f": {'; '.join(parts)}"
        )
