"""The live view: a picture of the run that fits the terminal, from 80 by 24 on."""

from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import Console, Group, RenderableType
from rich.text import Text

from replay.demo.chart import Chart
from replay.demo.live_run import LiveRun

AXIS_COLUMNS = 5
FIXED_ROWS = 14  # all rows but the chart's and the decisions'
DEMAND, BAND, READY, DESIRED, PREPARED = "yellow", "blue", "green", "magenta", "cyan"


def picture(run: LiveRun, *, title: str, speed: float, duration_seconds: float, size: tuple[int, int]) -> Group:
    """The whole picture, in `size` = (columns, rows)."""
    columns, rows = size
    chart_rows = max(5, (rows - FIXED_ROWS) // 2)
    parts: list[RenderableType] = [
        *_head(run, title, speed, duration_seconds, columns),
        *_chart(run, duration_seconds, columns, chart_rows),
        *_rungs(run, columns),
        _requests(run),
        Text(""),
        *_decisions(run, columns, rows - chart_rows - FIXED_ROWS + 1),
    ]
    return Group(*parts)


def clock(seconds: float) -> str:
    """Time of day in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")


def _head(run: LiveRun, title: str, speed: float, duration_seconds: float, columns: int) -> Iterator[Text]:
    now, elapsed = run.snapshot["now_seconds"], run.snapshot["elapsed_seconds"]
    left = Text.assemble((" outrider demo", "bold"), f"  {title}")
    right = Text.assemble((clock(now), "bold"), f"  {speed:g}x ")
    yield _spread(left, right, columns)
    lead_in = run.snapshot["lead_in_seconds"]
    if lead_in:
        note = f" starting the controller; traffic in {lead_in / speed:.0f} s "
    else:
        note = f" {max(0.0, duration_seconds - elapsed) / speed:3.0f} s left "
    width = columns - len(note) - 1
    done = round(width * min(1.0, elapsed / duration_seconds))
    yield Text.assemble(" ", ("━" * done, READY), ("━" * (width - done), "bright_black"), (note, "dim"))


def _chart(run: LiveRun, duration_seconds: float, columns: int, rows: int) -> Iterator[Text]:
    seen = [value for moment in run.moments for value in (moment.demand_replicas, moment.ready_replicas)]
    seen += [forecast.highest_replicas for forecast in run.forecasts]
    seen += [moment.desired_replicas for moment in run.moments if moment.desired_replicas is not None]
    top = max(4.0, *seen) if seen else 4.0
    width = columns - AXIS_COLUMNS - 1
    chart = Chart(width, rows, duration_seconds, top)
    forecasts = [each for each in run.forecasts if each.until_s <= duration_seconds]
    chart.band(
        [(each.until_s, each.likely_replicas) for each in forecasts],
        [(each.until_s, each.highest_replicas) for each in forecasts],
        BAND,
    )
    moments = run.moments
    wanted = [(m.elapsed_s, float(m.desired_replicas)) for m in moments if m.desired_replicas is not None]
    chart.line(wanted, DESIRED, every=2)
    chart.line([(m.elapsed_s, float(m.ready_replicas)) for m in moments], READY)
    chart.line([(m.elapsed_s, m.demand_replicas) for m in moments], DEMAND)
    yield Text.assemble(
        " replicas  ",
        ("━ demand  ", DEMAND),
        (f"⣿ forecast, {run.lead_seconds / 60:.0f} min ahead  ", BAND),
        ("┅ desired  ", DESIRED),
        ("━ ready", READY),
        no_wrap=True,
    )
    for index, row in enumerate(chart.rows()):
        label = f"{top:.0f}" if index == 0 else "0" if index == rows - 1 else ""
        yield Text.assemble((f"{label:>{AXIS_COLUMNS - 1}} ", "dim"), row, no_wrap=True)
    start, middle, end = (clock(run.start_seconds + share * duration_seconds)[:5] for share in (0.0, 0.5, 1.0))
    gap = max(1, (width - 15) // 2)
    yield Text(f"{' ' * AXIS_COLUMNS}{start}{' ' * gap}{middle}{' ' * (width - 15 - gap)}{end}", "dim", no_wrap=True)


def _rungs(run: LiveRun, columns: int) -> Iterator[Text]:
    """A row for each rung: replicas as full blocks, prepared nodes as hollow ones."""
    rungs = run.rungs
    room = columns - 21
    for name, replicas, balloons in zip(rungs.names, rungs.replicas, rungs.balloons, strict=True):
        style = READY if name == "serving" else DEMAND
        blocks = Text.assemble(("■ " * replicas, style), ("□ " * balloons, PREPARED))
        blocks.truncate(room, overflow="ellipsis")
        count = replicas + balloons
        yield Text.assemble(f" {name:<12}", (f"{count or '·':>4}", "bold" if count else "dim"), "   ", blocks)


def _requests(run: LiveRun) -> Text:
    snapshot = run.snapshot
    waiting = snapshot["waiting"]
    return Text.assemble(
        (" ■", READY),
        " replica  ",
        ("□", PREPARED),
        f" prepared node   {snapshot['requests_per_second']:.1f} requests/s, {snapshot['running']:.0f} running, ",
        (f"{waiting:.0f} waiting", "bold red" if waiting else ""),
        no_wrap=True,
    )


def _decisions(run: LiveRun, columns: int, rows: int) -> Iterator[Text]:
    """The newest decisions first, as many as fit."""
    left = rows
    for place, entry in enumerate(reversed(run.decisions)):
        text = Text.assemble((clock(entry.at_seconds), "bold"), f" {entry.sentence}", style="" if place == 0 else "dim")
        for index, line in enumerate(_wrapped(text, columns - 11)):
            if left <= 0:
                return
            left -= 1
            yield Text.assemble(" " if index == 0 else " " * 10, line, no_wrap=True)


def _wrapped(text: Text, columns: int) -> list[Text]:
    return list(text.wrap(Console(width=columns), columns))


def _spread(left: Text, right: Text, columns: int) -> Text:
    left.truncate(max(10, columns - right.cell_len - 1), overflow="ellipsis")
    return Text.assemble(left, " " * max(1, columns - left.cell_len - right.cell_len), right, no_wrap=True)
