"""The live view: a picture of the run that fills the terminal, from 60 by 20 on."""

from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import Console, Group, RenderableType
from rich.text import Text

from replay.demo.chart import Chart
from replay.demo.journal import Entry, PoolEntry
from replay.demo.live_run import LiveRun

AXIS_COLUMNS = 5
FIXED_ROWS = 11  # all rows but the chart's and the decisions'
ALARMING = 0.1  # waiting requests, per running one, that are shown in red
WIDE_COLUMNS = 76  # from here on legends are written out
DEMAND, BAND, READY, DESIRED, PREPARED = "yellow", "blue", "green", "magenta", "cyan"


def picture(run: LiveRun, size: tuple[int, int]) -> Group:
    """The whole picture, in `size` = (columns, rows). The chart takes what a fifth for the decisions leaves."""
    columns, rows = size
    decision_rows = max(4, rows // 5)
    offerings = list(_offerings(run))
    parts: list[RenderableType] = [
        *_head(run, columns),
        *_chart(run, columns, max(5, rows - FIXED_ROWS - len(offerings) - decision_rows)),
        *_rungs(run, columns),
        *offerings,
        _requests(run, columns),
        Text(""),
        *_decisions(run, columns, decision_rows),
    ]
    return Group(*parts)


def clock(seconds: float) -> str:
    """Time of day in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")


def times(speed: float) -> str:
    """The clock's speed."""
    return f"{speed:.0f}x" if speed >= 1.0 else f"{speed:.1f}x"


def _head(run: LiveRun, columns: int) -> Iterator[Text]:
    snapshot = run.snapshot
    speed, duration_seconds = snapshot["speed"], snapshot["duration_seconds"]
    left = Text.assemble((" outrider demo", "bold"), f"  {snapshot['scenario']}")
    right = Text.assemble((clock(snapshot["now_seconds"]), "bold"), f"  {times(speed)} ")
    yield _spread(left, right, columns)
    left_seconds = max(0.0, duration_seconds - snapshot["elapsed_seconds"])
    waits_for = snapshot["waits_for"]
    note = f" {left_seconds / speed:3.0f} s left " if waits_for is None else f" waiting for {waits_for} "
    width = max(0, columns - len(note) - 1)
    done = round(width * (1.0 - left_seconds / duration_seconds))
    yield Text.assemble(" ", ("━" * done, READY), ("━" * (width - done), "bright_black"), (note, "dim"), no_wrap=True)


def _chart(run: LiveRun, columns: int, rows: int) -> Iterator[Text]:
    duration_seconds = run.snapshot["duration_seconds"]
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
    ahead = f", {run.lead_seconds / 60:.0f} min ahead" if columns >= WIDE_COLUMNS else ""
    yield Text.assemble(
        " replicas  ",
        ("━ demand  ", DEMAND),
        (f"⣿ forecast{ahead}  ", BAND),
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


def _offerings(run: LiveRun) -> Iterator[Text]:
    """A row for the nodes of a pool by offering, and how many of each the cloud has refused."""
    shown = run.snapshot.get("offerings", ())
    if not shown:
        return
    parts: list[Text | tuple[str, str]] = [(f" {'nodes':<12}", ""), ("       ", "")]
    for each in shown:
        parts.append((f"{each['nodes']} {each['name']}", "bold" if each["nodes"] else "dim"))
        parts.append((f" ({each['refused']} refused)  " if each["refused"] else "  ", "red"))
    yield Text.assemble(*parts, no_wrap=True)


def _requests(run: LiveRun, columns: int) -> Text:
    snapshot = run.snapshot
    waiting = snapshot["waiting"]
    prepared, per_second = (" prepared node", " requests/s") if columns >= WIDE_COLUMNS else (" prepared", "/s")
    return Text.assemble(
        (" ■", READY),
        " replica  ",
        ("□", PREPARED),
        f"{prepared}   {snapshot['requests_per_second']:.1f}{per_second}, {snapshot['running']:.0f} running, ",
        (f"{waiting:.0f} waiting", "bold red" if waiting > ALARMING * snapshot["running"] else ""),
        no_wrap=True,
    )


def _decisions(run: LiveRun, columns: int, rows: int) -> Iterator[Text]:
    """The newest decisions first, as many as fit."""
    if not run.last:
        yield Text(" no decision yet", "dim")
    left = rows
    for place, entry in enumerate(reversed(run.decisions)):
        style = "" if place == 0 else "dim"
        for index, line in enumerate(_wrapped(Text(said(run, entry), style), columns - 11)):
            if left <= 0:
                return
            left -= 1
            at = (f" {clock(entry.at_seconds)} ", f"bold {style}") if index == 0 else " " * 10
            yield Text.assemble(at, line, no_wrap=True)


def said(run: LiveRun, entry: Entry | PoolEntry) -> str:
    """A decision's sentence, with the name of its workload where there are several."""
    sentence = entry.sentence or ""
    if isinstance(entry, PoolEntry):
        return f"pool: {sentence}"
    return sentence if run.policies == 1 else f"{entry.policy.rpartition('/')[2]}: {sentence}"


def _wrapped(text: Text, columns: int) -> list[Text]:
    return list(text.wrap(Console(width=columns), columns))


def _spread(left: Text, right: Text, columns: int) -> Text:
    left.truncate(max(10, columns - right.cell_len - 1), overflow="ellipsis")
    return Text.assemble(left, " " * max(1, columns - left.cell_len - right.cell_len), right, no_wrap=True)
