"""Comparisons for people: figures, plot, shortages, and what cannot be known."""

import textwrap
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from autoscaler.records.coldstarts.summary import Summary
from autoscaler.records.comparison.compare import Comparison
from autoscaler.records.comparison.plot import OUTRIDER_STYLE, RAN_STYLE, legend, plot
from autoscaler.records.comparison.shortages import Shortage, Shortages
from crds.notation.timestamps import timestamp
from policies.explain import duration
from policies.model import Mode

SHOWN = 8  # shortages


def show(console: Console, comparisons: Sequence[Comparison]) -> None:
    """Print everything, one policy after the other; of several, first all in one table."""
    if len(comparisons) > 1:
        console.print(_overview(comparisons))
        console.print()
    for index, comparison in enumerate(comparisons):
        if index:
            console.print()
        _Page(console, comparison).show()


def _overview(comparisons: Sequence[Comparison]) -> Table:
    """One line for each policy and mode."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("policy", overflow="fold")
    table.add_column("mode")
    for name, style in (
        ("GPU-hours ran", RAN_STYLE),
        ("GPU-hours Outrider", OUTRIDER_STYLE),
        ("short ran", RAN_STYLE),
        ("short Outrider", OUTRIDER_STYLE),
    ):
        table.add_column(Text(name.replace(" ", "\n", 1), style), justify="right", vertical="bottom", no_wrap=True)
    for of in comparisons:
        ours = _share(of.outrider.short_seconds, of.judged_seconds) if of.mode is Mode.SHADOW else ""
        table.add_row(
            of.policy.name,
            of.mode.value,
            f"{of.ran.gpu_hours:,.1f}",
            f"{of.outrider.gpu_hours:,.1f}",
            _share(of.ran.short_seconds, of.judged_seconds),
            ours,
        )
    return table


class _Page:
    def __init__(self, console: Console, of: Comparison) -> None:
        self._console = console
        self._of = of
        self._shadow = of.mode is Mode.SHADOW
        self._names = ("what ran", "Outrider would have run") if self._shadow else ("what ran", "Outrider asked for")
        self._unicode = not console.options.ascii_only

    def show(self) -> None:
        of = self._of
        self._console.print(Text.assemble((of.policy.name, "bold"), f", mode {of.mode.value}"))
        if of.compared_seconds <= 0.0:
            self._prose(
                "Nothing to compare yet: it takes two decisions, at most a minute apart, that know the replicas."
            )
            return
        gpus = of.policy.gpus_per_replica
        self._prose(
            f"{_minute(of.start_seconds)} to {_minute(of.last.at_seconds if of.last else None)} UTC; "
            f"{duration(of.compared_seconds)} compared, {of.decisions:,} decisions; "
            f"${of.price:.2f} per GPU-hour, {gpus} GPU{'' if gpus == 1 else 's'} per replica"
        )
        if self._shadow:
            self._prose(_verdict(of))
        self._console.print()
        self._console.print(self._figures())
        if of.starts:
            self._console.print()
            self._prose(f"Cold starts, see `outrider coldstart`: {Summary.of(of.starts).text}")
        lines = plot(of.timeline, self._console.width - 1, unicode=self._unicode)
        if lines:
            self._console.print()
            self._console.print(legend(("ran", self._names[1]), unicode=self._unicode))
        for line in lines:
            self._console.print(line, no_wrap=True, overflow="crop")
        covered = f"; Outrider would have been in time for {of.ran_short.covered}" if self._shadow else ""
        self._shortages("What ran was short of demand", of.ran_short, covered)
        if self._shadow:
            self._shortages("Outrider would have been short where what ran was not", of.outrider_short)
        self._console.print()
        self._console.print("What this cannot know", style="bold")
        for sentence in self._unknown():
            self._prose(f"- {sentence}", indent="  ")

    def _figures(self) -> Table:
        of = self._of
        ran, ours, whole = of.ran, of.outrider, of.judged_seconds
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("")
        for name, style in zip(self._names, (RAN_STYLE, OUTRIDER_STYLE), strict=True):
            table.add_column(Text("\n".join(textwrap.wrap(name, 14)), style), justify="right", vertical="bottom")
        table.add_column("", justify="right")
        table.add_row(
            "GPU-hours", *(f"{side.gpu_hours:,.2f}" for side in (ran, ours)), _change(ran.gpu_hours, ours.gpu_hours)
        )
        table.add_row("cost", *(f"${side.cost:,.2f}" for side in (ran, ours)), _change(ran.cost, ours.cost))
        table.add_row("most replicas", *(str(side.most_replicas) for side in (ran, ours)))
        if self._shadow:
            table.add_row("time short of demand", *(_share(side.short_seconds, whole) for side in (ran, ours)))
            table.add_row("missing replica-hours", *(f"{side.missing_replica_hours:,.2f}" for side in (ran, ours)))
        else:
            table.add_row("time short of demand", _share(ran.short_seconds, whole))
            table.add_row("missing replica-hours", f"{ran.missing_replica_hours:,.2f}")
        table.add_row(f"queue above {of.policy.queue_wait_seconds:g} s", _share(of.queue_seconds, whole))
        return table

    def _shortages(self, title: str, found: Shortages, covered: str = "") -> None:
        worst = found.worst(SHOWN)
        times = f"{_times(found.count)}{covered}" if found.count else "never"
        shown = f"; the worst {len(worst)}" if found.count > len(worst) else ""
        self._console.print()
        self._console.print(Text(f"{title}: {times}{shown}", "bold"))
        if not worst:
            return
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("from (UTC)", no_wrap=True)
        for name in ("lasted", "demand", "ran", "Outrider" if self._shadow else "asked"):
            table.add_column(name, justify="right", no_wrap=True)
        if not found.of_outrider:
            table.add_column("asked for more")
        for each in worst:
            short = " short" if self._shadow and each.worst.outrider_short else ""
            table.add_row(
                _minute(each.start_seconds)[5:],
                _rounded(each.lasts_seconds),
                f"{each.worst.demand:.1f}",
                str(each.worst.ran),
                f"{each.worst.outrider}{short}",
                *([] if found.of_outrider else [_ahead(each)]),
            )
        self._console.print(table)

    def _unknown(self) -> Iterator[str]:
        unknown, of = self._of.unknown, self._of
        if unknown.gaps:
            yield f"No decision for over a minute: {_times(unknown.gaps)}, {duration(unknown.gap_seconds)} in all, not compared."
        if unknown.cluster_seconds:
            yield f"Replicas unknown: {duration(unknown.cluster_seconds)}, not compared."
        if unknown.demand_seconds:
            yield f"Demand unknown: {duration(unknown.demand_seconds)}, in which no shortage is seen."
        if unknown.partial_decisions:
            yield (
                f"Metrics of some pods missing: {_part(unknown.partial_decisions, of.decisions)} of the decisions, "
                "in which demand is a lower bound."
            )
        if unknown.unforecast_decisions:
            yield (
                f"Without a proven forecast: {_part(unknown.unforecast_decisions, of.decisions)} of the decisions; "
                "a forecast proves itself with time."
            )
        if unknown.restarts:
            yield f"Restarts: {unknown.restarts}. After each, nothing is scaled down for the length of the hold."
        if unknown.repeated_decisions:
            yield f"Decisions logged twice: {unknown.repeated_decisions:,}, counted once."
        if not self._shadow:
            return
        if of.last is not None:
            lead, shorter = duration(of.last.new_unit_seconds), of.last.new_replica_seconds
            prepared = f", {duration(shorter)} with the node prepared" if of.policy.max_prepared_nodes else ""
            yield (
                "Its replicas count as serving once they were asked for throughout their lead time (90th percentile:"
                f" {lead} from a request{prepared}), and are paid for from the moment they are asked for."
            )
        if unknown.queue_driven_seconds:
            yield (
                "Queues come from what ran, and with Outrider's replicas some would not have formed."
                f" {_share(unknown.queue_driven_seconds, of.compared_seconds)} of the time, a queue decided its number,"
                " which is then rather too high; its shortages are too few."
            )

    def _prose(self, text: str, indent: str = "") -> None:
        if not self._console.is_terminal:
            self._console.print(text, soft_wrap=True, markup=False)
            return
        for line in textwrap.wrap(text, self._console.width - 1, subsequent_indent=indent):
            self._console.print(line, markup=False)


def _verdict(of: Comparison) -> str:
    """The comparison in one sentence."""
    ran, ours, whole = of.ran, of.outrider, of.judged_seconds
    used = f"{ours.gpu_hours:,.2f} GPU-hours, instead of {ran.gpu_hours:,.2f}"
    if ran.gpu_hours > 0.0:
        change = ours.gpu_hours / ran.gpu_hours - 1.0
        more = f"{abs(change):.0%} {'fewer' if change < 0.0 else 'more'}"
        used = f"{more if abs(change) >= 0.005 else 'as many'} GPU-hours"
    if whole <= 0.0:
        return f"Outrider would have used {used}; demand was never known."
    if not (ran.short_seconds or ours.short_seconds):
        return f"Outrider would have used {used}; neither side was ever short of demand."
    short = f"{_share(ours.short_seconds, whole)} of the time, instead of {_share(ran.short_seconds, whole)}"
    return f"Outrider would have used {used}, and been short of demand {short}."


def _minute(at_seconds: float | None) -> str:
    return "" if at_seconds is None else timestamp(at_seconds)[:16].replace("T", " ")


def _change(ran: float, ours: float) -> str:
    return f"{ours / ran - 1.0:+.1%}" if ran > 0.0 else ""


def _share(seconds: float, whole: float) -> str:
    return f"{seconds / whole:.1%}" if whole > 0.0 else ""


def _times(count: int) -> str:
    return f"{count:,} {'time' if count == 1 else 'times'}"


def _part(count: int, whole: int) -> str:
    return f"{count / whole:.1%}"


def _ahead(shortage: Shortage) -> str:
    ahead = shortage.asked_ahead_seconds
    if ahead is None:
        return "never"
    if round(ahead) == 0:
        return "as it began"
    return f"{_rounded(abs(ahead))} {'before' if ahead > 0.0 else 'after'}"


def _rounded(seconds: float) -> str:
    """To the minute, from two minutes on."""
    return duration(seconds if seconds < 120.0 else round(seconds / 60.0) * 60.0)
