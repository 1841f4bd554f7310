"""Cold starts for people: the last starts as bars, each stage beside what was expected of it, and what would shorten a start."""

import textwrap
from collections.abc import Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from autoscaler.records.coldstarts.analysis import Analysis
from autoscaler.records.coldstarts.gantt import gantt, legend, title
from autoscaler.records.coldstarts.savings import Replayed, Saving, Savings
from autoscaler.records.coldstarts.stages import StageTimes
from autoscaler.records.coldstarts.summary import Times, whole_seconds
from policies.explain import duration
from policies.supply import Stage

WIDEST = 100


def show(console: Console, found: Sequence[Analysis], last: int) -> None:
    """Print each policy's page, with its `last` starts as bars."""
    for index, of in enumerate(found):
        if index:
            console.print()
        _Page(console, of, last).show()


class _Page:
    def __init__(self, console: Console, of: Analysis, last: int) -> None:
        self._console = console
        self._of = of
        self._last = of.starts[-last:]
        self._width = min(WIDEST, console.width - 1)
        self._unicode = not console.options.ascii_only

    def show(self) -> None:
        of = self._of
        self._console.print(Text(of.name, "bold"))
        if of.starts:
            self._prose(of.summary.text)
            self._bars()
            self._overlaps()
        self._stages(of.stages)
        if of.savings is not None:
            self._savings(of.savings)

    def _bars(self) -> None:
        scale = max(1.0, *map(whole_seconds, self._last))
        for start in self._last:
            self._console.print()
            self._prose(title(start).plain, style="bold")
            for row in gantt(start, self._width, scale, unicode=self._unicode):
                self._console.print(row, no_wrap=True, overflow="crop")
        self._console.print(legend(unicode=self._unicode))

    def _overlaps(self) -> None:
        of = self._of
        found = [each for each in of.hidden if each.seconds >= 0.5]
        self._heading("Hidden, on average over all starts")
        if not any(start.spans for start in of.starts):
            self._prose("Unknown, since no stage was seen.")
        elif not found:
            self._prose("Nothing: each stage waited for the one before it.")
        for each in found:
            self._prose(
                f"{each.part} behind {each.behind}: {each.seconds:.0f} s (in {each.starts} of {len(of.starts)})"
            )
        if of.summary.unseen_seconds >= 0.5:
            self._prose(f"For {of.summary.unseen_seconds:.0f} s of a start on average, no stage was seen.")

    def _stages(self, found: Sequence[StageTimes]) -> None:
        self._heading("Seconds that each stage takes")
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
        table.add_column("")
        for name in ("starts", "measured\np50", "p95", "expected\np50", "p95", "prior\np50", "p95"):
            table.add_column(name, justify="right", vertical="bottom", no_wrap=True)
        for each in found:
            passed = f"{each.passed}" if each.passed or each.there else ""
            table.add_row(each.stage, passed, *_pair(each.measured), *_pair(each.expected), *_pair(each.prior))
            for part in each.parts:
                name = f"  {part.part} {part.path}".rstrip()
                table.add_row(Text(name, "dim"), f"{part.starts}", *_pair(part.times))
        self._table(table)
        there = ", ".join(f"{each.stage} in {each.there}" for each in found if each.there)
        if there:
            self._prose(f"There already, and not counted: {there}.")

    def _savings(self, found: Savings) -> None:
        self._heading("What would shorten a start")
        p50, p95, there = map(duration, (found.p50_seconds, found.p95_seconds, found.existing_node_p50_seconds))
        self._prose(
            f"From its request, a replica takes {p50} on a new node at the median, {p95} at the 95th percentile, and {there} on a"
            " node that is there."
        )
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
        table.add_column("")
        for name in ("a start\ntakes", "saves\nseconds", "saves\nGPU-hours", "saves late\nrequests"):
            table.add_column(name, justify="right", vertical="bottom", no_wrap=True)
        for each in found.savings:
            table.add_row(each.change.title, *_saved(each))
        self._table(table)
        for each in found.savings:
            if each.change.unknown:
                self._prose(f"? {each.change.title}: {each.change.unknown}.", indent="  ")
        self._prose(_assumes(found.today))

    def _table(self, table: Table) -> None:
        """As wide as it is: a terminal that is narrower than that breaks its lines, and no figure is cut off."""
        console, narrow = self._console, self._console.width
        whole = Measurement.get(console, console.options.update(max_width=WIDEST), table).maximum
        console.width = max(narrow, whole)
        console.print(table, crop=False)
        console.width = narrow

    def _heading(self, text: str) -> None:
        self._console.print()
        self._console.print(Text(text, "bold"))

    def _prose(self, text: str, indent: str = "", style: str = "") -> None:
        for line in textwrap.wrap(text, self._width, subsequent_indent=indent, break_on_hyphens=False):
            self._console.print(Text(line, style))


def _pair(of: Times | Stage | None) -> tuple[str, str]:
    return ("", "") if of is None else (f"{of.p50_seconds:.0f}", f"{of.p95_seconds:.0f}")


def _saved(of: Saving) -> tuple[str, str, str, str]:
    if of.p50_seconds is None or of.saved_seconds is None:
        return "?", "?", "?", "?"
    hours = "" if of.saved_gpu_hours is None else f"{of.saved_gpu_hours:,.1f}"
    late = "" if of.avoided_late_requests is None else f"{of.avoided_late_requests:,.0f}"
    return f"{of.p50_seconds:.0f} s", f"{of.saved_seconds:.0f}", hours.replace("-0.0", "0.0"), late.replace("-0", "0")


def _assumes(today: Replayed | None) -> str:
    """What the figures are of."""
    if today is None:
        return "GPU-hours and late requests are unknown: their replay takes an hour or more of known demand."
    late = f"{today.late_share:.2%} of the work late"
    if today.requests is not None and today.late_requests is not None:
        late = f"{today.late_requests:,.0f} of {today.requests:,.0f} requests late"
    return (
        f"GPU-hours and late requests are of the last {today.hours:.1f} h of demand, replayed with each lead, in steps of 15 s;"
        f" as it is, that gives {today.gpu_hours:,.1f} GPU-hours and {late}. Every start takes the 90th percentile, nodes are"
        " always there, and none is prepared."
    )
