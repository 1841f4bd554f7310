"""How a run is shown: in a terminal of any size, and as lines."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from replay.demo.chart import Chart
from replay.demo.journal import Entry, Journal, PoolEntry
from replay.demo.live_run import LiveRun
from replay.demo.plain import LineView
from replay.demo.view import clock, picture
from tests.replay.demo.recorded import a_line, a_snapshot, the_head
from tests.support.worlds import START


def _entries(folder: Path, *lines: str) -> list[Entry | PoolEntry]:
    (folder / "decisions-1.jsonl").write_text(the_head() + "".join(f"{line}\n" for line in lines))
    journal = Journal(folder)
    entries = journal.new_entries()
    journal.close()
    return entries


@pytest.fixture
def run(tmp_path: Path) -> LiveRun:
    live = LiveRun(START, 315.0)
    entries = _entries(tmp_path, *(a_line(START + 60.0 * step, 5 + step, step % 3) for step in range(12)))
    for step, entry in enumerate(entries):
        live.update(a_snapshot(60.0 * step), [entry])
    return live


def _drawn(run: LiveRun, columns: int, rows: int) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=columns, height=rows, force_terminal=True, color_system=None)
    console.print(picture(run, (columns, rows)))
    return out.getvalue().rstrip("\n").split("\n")


@pytest.mark.parametrize(("columns", "rows"), [(60, 20), (80, 24), (100, 30), (160, 50), (200, 60)])
def test_the_picture_fills_the_terminal(run: LiveRun, columns: int, rows: int) -> None:
    run.snapshot |= {"running": 409.0, "waiting": 120.0, "requests_per_second": 120.5}
    lines = _drawn(run, columns, rows)
    assert rows - 2 <= len(lines) <= rows
    assert max(map(len, lines)) <= columns
    text = "\n".join(lines)
    assert "━ ready" in text
    assert "409 running, 120 waiting" in text


def test_decisions_begin_beside_their_time(run: LiveRun) -> None:
    *_, first, rest = _drawn(run, 60, 20)[:18]
    assert first.startswith(" 08:56:00 Grows from 15 to 16 replicas: demand of 4.0 ")
    assert rest.startswith("          replicas may reach 15.6 ")


def test_the_speed_and_what_is_left_are_those_of_the_clock(run: LiveRun) -> None:
    run.snapshot |= {"speed": 10.0, "elapsed_seconds": 2000.0}
    head, left, *_ = _drawn(run, 60, 20)
    assert head.endswith(" 10x ")
    assert left.endswith("  70 s left ")


def test_the_picture_shows_the_ladder_and_the_last_decision(run: LiveRun) -> None:
    text = "\n".join(_drawn(run, 100, 40))
    assert "Grows from 15 to 16 replicas" in text
    assert "70 running, 3 waiting" in text
    assert "serving        5   ■ ■ ■ ■ ■" in text
    assert "node ready     2   ■ □" in text
    assert "image ready    1   □" in text


def test_before_the_traffic_there_is_a_picture_too() -> None:
    run = LiveRun(START, 315.0)
    run.update(a_snapshot(0.0, waits_for="the controller to read its history", speed=1.0), [])
    text = "\n".join(_drawn(run, 60, 20))
    assert "waiting for the controller to read its history" in text
    assert "no decision yet" in text
    assert (run.moments, run.mean_speed) == ([], 0.0)


def test_the_mean_speed_leaves_the_wait_out() -> None:
    run = LiveRun(START, 315.0)
    for elapsed_s, changes in ((0.0, {"waits_for": "x", "speed": 1.0}), (1.0, {"speed": 10.0}), (2.0, {"speed": 20.0})):
        run.update(a_snapshot(elapsed_s, **changes), [])
    assert run.mean_speed == 15.0


def test_a_forecast_is_drawn_where_its_lead_ends(run: LiveRun) -> None:
    first = run.forecasts[0]
    assert first.until_s == 315.0
    assert first.likely_replicas == pytest.approx(4.0 + 255.0 / 540.0)
    assert first.highest_replicas == pytest.approx(6.0 + 3.0 * 255.0 / 540.0)


def test_lines_give_changes_and_a_status_each_minute(tmp_path: Path) -> None:
    run, view = LiveRun(START, 315.0), LineView()
    logged = _entries(tmp_path, a_line(START, 5), a_line(START + 15, 5), a_line(START + 30, 6))
    printed = []
    for elapsed_s, entries in ((0.0, logged[:1]), (15.0, logged[1:2]), (31.0, logged[2:]), (61.0, [])):
        snapshot = a_snapshot(elapsed_s)
        run.update(snapshot, entries)
        printed += list(view.lines(run, entries))
    assert [line.partition("  ")[2][:15] for line in printed] == [
        "Runs 5 replicas",
        "demand 4.0 repl",
        "Grows from 5 to",
        "demand 4.2 repl",
    ]
    assert printed[1].endswith(
        "1 requested, 2 node ready, 1 image ready, 2 warming, 5 serving; 70 requests running, 3 waiting; 30x"
    )


def test_lines_say_what_is_waited_for() -> None:
    run, view = LiveRun(START, 315.0), LineView()
    printed = []
    for waits_for in ("the controller to start", "the controller to start", "the controller to read its history", None):
        run.update(a_snapshot(0.0, waits_for=waits_for), [])
        printed += list(view.lines(run, []))
    assert printed[:-1] == ["Waiting for the controller to start.", "Waiting for the controller to read its history."]
    assert "demand 4.0 replicas" in printed[-1]


def test_the_chart_holds_values_and_stays_inside() -> None:
    chart = Chart(2, 1, x_top=4.0, y_top=3.0)
    chart.line([(0.0, 0.0), (2.0, 3.0), (3.0, 9.0)], "")
    assert [text.plain for text in chart.rows()] == ["⣀⡏"]


def test_a_band_is_dotted() -> None:
    chart = Chart(1, 1, x_top=2.0, y_top=3.0)
    chart.band([(0.0, 0.0), (1.0, 0.0)], [(0.0, 3.0), (1.0, 3.0)], "")
    assert chart.rows()[0].plain == "⡪"


def test_the_clock_is_utc() -> None:
    assert clock(1_736_931_600.0) == "09:00:00"
