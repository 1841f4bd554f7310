"""Costs for people: a table, and what was not seen."""

import textwrap
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from autoscaler.records.costs.collect import Costs
from autoscaler.records.costs.rows import Row, merged
from crds.notation.timestamps import timestamp
from policies.explain import duration

# What `--by` names -> the fields of a row that stand in the table. A workload has one owner and one pool at a time.
GROUPS = {"day": ("day",), "owner": ("owner",), "workload": ("owner", "workload", "pool"), "pool": ("pool",)}
NONE = "-"


def show(console: Console, costs: Costs, by: Sequence[str]) -> None:
    """Print everything. `by` are keys of `GROUPS`."""
    fields = list(dict.fromkeys(field for name in by for field in GROUPS[name]))
    rows = costs.rows()
    first, last = (
        None if at is None else timestamp(at)[:16].replace("T", " ") for at in (costs.first_seconds, costs.last_seconds)
    )
    _prose(console, f"{first} to {last} UTC; days in {costs.zone}. {_summary(rows)}")
    console.print()
    console.print(_table(merged(rows, fields), fields, rows))
    notes = list(_notes(costs, rows))
    if notes:
        console.print()
    for sentence in notes:
        _prose(console, f"- {sentence}", indent="  ")


def _table(rows: Sequence[Row], by: Sequence[str], every: Sequence[Row]) -> Table:
    pooled = any(row.pool for row in every)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for field in by:
        table.add_column(field, overflow="fold", vertical="top")
    for name in (
        "requested\nGPU-hours",
        "used\nGPU-hours",
        "used",
        *(("standby\nGPU-hours", "wasted") if pooled else ()),
        "cost",
    ):
        table.add_column(Text(name), justify="right", no_wrap=True, vertical="bottom")
    for row in rows:
        names = [_name(row, field) for field in by]
        table.add_row(*(Text(name) for name in names), *_figures(row, pooled=pooled))
    if len(rows) > 1:
        total = next(iter(merged(every, ())))
        table.add_section()
        table.add_row("total", *("" for _ in by[1:]), *_figures(total, pooled=pooled), style="bold")
    return table


def _name(row: Row, field: str) -> str:
    if field == "workload" and not row.workload:
        return "(held for all)"
    return getattr(row, field) or NONE


def _figures(row: Row, *, pooled: bool) -> list[str]:
    of_pool = [f"{row.standby_hours:,.2f}", f"{row.wasted_hours:,.2f}"] if pooled else []
    share = f"{row.used_hours / row.requested_hours:.0%}" if row.requested_hours > 0.0 else ""
    return [f"{row.requested_hours:,.2f}", f"{row.used_hours:,.2f}", share, *of_pool, f"${row.usage.usd:,.2f}"]


def _summary(rows: Sequence[Row]) -> str:
    total = next(iter(merged(rows, ())), Row())
    share = f" ({total.used_hours / total.requested_hours:.0%})" if total.requested_hours > 0.0 else ""
    return (
        f"Of {total.requested_hours:,.2f} GPU-hours that were requested, demand used {total.used_hours:,.2f}{share};"
        f" they cost ${total.usage.usd:,.2f}."
    )


def _notes(costs: Costs, rows: Sequence[Row]) -> Iterator[str]:
    if any(row.pool for row in rows):
        yield (
            "standby: GPU-hours of shared nodes from before a workload's replicas took them; of the row (held for all), of nodes that"
            " nobody has taken yet. wasted: standby that nobody took, and nodes of the pool that nobody held."
        )
    if costs.unseen_seconds:
        yield (
            f"Without a decision for over a minute: {duration(costs.unseen_seconds)} in all, counted as what was held"
            " at the end of each."
        )
    if costs.uncounted_gaps:
        yield f"Without a decision for over a day: {_times(costs.uncounted_gaps)}, not counted."


def _prose(console: Console, text: str, indent: str = "") -> None:
    if not console.is_terminal:
        console.print(text, soft_wrap=True, markup=False)
        return
    for line in textwrap.wrap(text, console.width - 1, subsequent_indent=indent):
        console.print(line, markup=False)


def _times(count: int) -> str:
    return f"{count:,} {'time' if count == 1 else 'times'}"
