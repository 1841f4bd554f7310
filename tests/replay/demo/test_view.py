"""How a run is shown: in a terminal of any size, and as lines."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from replay.demo.chart import Chart
from replay.demo.journal import Entry, Journal
from replay.demo.live_run import LiveRun
from replay.demo.plain import LineView
from replay.demo.view import clock, picture
from tests.replay.demo.recorded import a_line, a_snapshot, the_head
from tests.support.worlds import START


def _entries(folder: Path, *lines: str) -> list[Entry]:
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
    console.print(picture(run, title="rush", speed=30.0, duration_seconds=2700.0, size=(columns, rows)))
    return out.getvalue().rstrip("\n").split("\n")


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (100, 30), (200, 60), (60, 24)])
def test_the_picture_fits(run: LiveRun, columns: int, rows: int) -> None:
    lines = _drawn(run, columns, rows)
    assert len(lines) <= rows
    assert max(map(len, lines)) <= columns


def test_the_picture_shows_the_ladder_and_the_last_decision(run: LiveRun) -> None:
    text = "\n".join(_drawn(run, 100, 40))
    assert "Grows from 15 to 16 replicas" in text
    assert "70 running, 3 waiting" in text
    assert "serving        5   ■ ■ ■ ■ ■" in text
    assert "node ready     2   ■ □" in text
    assert "image ready    1   □" in text


def test_before_the_traffic_there_is_a_picture_too() -> None:
    run = LiveRun(START, 315.0)
    run.update(a_snapshot(0.0, lead_in_seconds=90.0), [])
    assert "starting the controller; traffic in 3 s" in "\n".join(_drawn(run, 80, 24))
    assert run.moments == []


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
        "1 requested, 2 node ready, 1 image ready, 2 warming, 5 serving; 70 requests running, 3 waiting"
    )


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
