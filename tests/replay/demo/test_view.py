"""What is drawn of a run: in a terminal of any size, and in lines."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from replay.demo.chart import Chart
from replay.demo.journal import Entry, Journal
from replay.demo.plain import Lines
from replay.demo.story import Story
from replay.demo.view import clock, picture
from tests.replay.demo.stories import a_line, a_snapshot, the_head
from tests.support.worlds import START


def _entries(folder: Path, *lines: str) -> list[Entry]:
    (folder / "decisions-1.jsonl").write_text(the_head() + "".join(f"{line}\n" for line in lines))
    journal = Journal(folder)
    entries = journal.news()
    journal.close()
    return entries


@pytest.fixture
def story(tmp_path: Path) -> Story:
    told = Story(START, 315.0)
    entries = _entries(tmp_path, *(a_line(START + 60.0 * step, 5 + step, step % 3) for step in range(12)))
    for step, entry in enumerate(entries):
        told.tell(a_snapshot(60.0 * step), [entry])
    return told


def _drawn(story: Story, columns: int, rows: int) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=columns, height=rows, force_terminal=True, color_system=None)
    console.print(picture(story, title="rush", speed=30.0, duration_seconds=2700.0, size=(columns, rows)))
    return out.getvalue().rstrip("\n").split("\n")


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (100, 30), (200, 60), (60, 24)])
def test_the_picture_fits(story: Story, columns: int, rows: int) -> None:
    lines = _drawn(story, columns, rows)
    assert len(lines) <= rows
    assert max(map(len, lines)) <= columns


def test_the_picture_tells_the_ladder_and_the_last_decision(story: Story) -> None:
    text = "\n".join(_drawn(story, 100, 40))
    assert "Grows from 15 to 16 replicas" in text
    assert "70 running, 3 waiting" in text
    assert "serving        5   ■ ■ ■ ■ ■" in text
    assert "node ready     2   ■ □" in text
    assert "image ready    1   □" in text


def test_before_the_traffic_there_is_a_picture_too() -> None:
    story = Story(START, 315.0)
    story.tell(a_snapshot(0.0, lead_in_seconds=90.0), [])
    assert "the controller starts; traffic in 3 s" in "\n".join(_drawn(story, 80, 24))
    assert story.moments == []


def test_a_forecast_is_drawn_where_its_lead_ends(story: Story) -> None:
    first = story.forecasts[0]
    assert first.until_s == 315.0
    assert first.likely_replicas == pytest.approx(4.0 + 255.0 / 540.0)
    assert first.highest_replicas == pytest.approx(6.0 + 3.0 * 255.0 / 540.0)


def test_lines_tell_changes_and_a_state_each_minute(tmp_path: Path) -> None:
    story, lines = Story(START, 315.0), Lines()
    entries = _entries(tmp_path, a_line(START, 5), a_line(START + 15, 5), a_line(START + 30, 6))
    told = []
    for elapsed_s, news in ((0.0, entries[:1]), (15.0, entries[1:2]), (31.0, entries[2:]), (61.0, [])):
        snapshot = a_snapshot(elapsed_s)
        story.tell(snapshot, news)
        told += list(lines.news(story, news))
    assert [line.partition("  ")[2][:15] for line in told] == [
        "Runs 5 replicas",
        "demand 4.0 repl",
        "Grows from 5 to",
        "demand 4.2 repl",
    ]
    assert told[1].endswith(
        "1 requested, 2 node ready, 1 image ready, 2 warming, 5 serving; 70 requests running, 3 waiting"
    )


def test_the_chart_holds_values_and_keeps_inside() -> None:
    chart = Chart(2, 1, x_top=4.0, y_top=3.0)
    chart.line([(0.0, 0.0), (2.0, 3.0), (3.0, 9.0)], "")
    assert [text.plain for text in chart.rows()] == ["⣀⡏"]


def test_a_band_is_dotted() -> None:
    chart = Chart(1, 1, x_top=2.0, y_top=3.0)
    chart.band([(0.0, 0.0), (1.0, 0.0)], [(0.0, 3.0), (1.0, 3.0)], "")
    assert chart.rows()[0].plain == "⡪"


def test_the_clock_is_utc() -> None:
    assert clock(1_736_931_600.0) == "09:00:00"
