"""Figures, plots and series of a report."""

import io
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from replay.contenders.registry import CONTENDERS
from replay.driver import Outcome
from replay.report.assertions import check, parse
from replay.report.columns import columns, percent, wait
from replay.report.document import document
from replay.report.plot import area
from replay.report.series import means
from replay.report.table import table
from replay.report.terminal import show
from replay.scenario.policy import default
from replay.sim.views import Score, Timeline
from replay.tournament import play
from tests.replay.test_optimum import square
from tests.replay.test_tournament import scene_of


@pytest.mark.parametrize(("share", "shown"), [(1.0, "100.00%"), (0.999999, "99.99%"), (0.99, "99.00%"), (0.0, "0.00%")])
def test_only_all_is_a_hundred_percent(share: float, shown: str) -> None:
    assert percent(share) == shown


def test_a_wait_without_end() -> None:
    assert wait(math.inf) == "never"
    assert wait(1234.56) == "1,234.6 s"


def test_the_slo_has_a_column_of_its_own_where_none_is_there() -> None:
    assert [column.name for column in columns(5.0)] == [column.name for column in columns(1.0)]
    waits = [column.name for column in columns(2.5) if not column.lower]
    assert waits == ["waited at most 1 s", "waited at most 2.5 s", "waited at most 5 s"]


def test_an_area_of_two_rows() -> None:
    assert area([0, 1, 4, 8, 16], 16.0, 2) == ["    █", " ▁▄██"]
    assert area([0.01, 99.0], 16.0, 1) == ["▁█"]  # what is above 0 shows, what is above the top is cut
    assert area([0.0, 0.0], 0.0, 1) == ["  "]
    assert area([0, 8, 16], 16.0, 1, unicode=False) == [" =@"]


def test_means_of_what_holds_from_each_change() -> None:
    seconds, replicas = np.array([0.0, 5.0, 30.0]), np.array([2, 4, 10])
    assert means(seconds, replicas, np.array([0.0, 10.0, 20.0, 30.0])) == pytest.approx([3.0, 4.0, 4.0])
    assert means(seconds, replicas, np.array([0.0, 20.0, 40.0])) == pytest.approx([3.5, 7.0])
    assert means(np.array([0.0]), np.array([3]), np.array([0.0, 1.0, 2.0])) == pytest.approx([3.0, 3.0])


def outcome(**figures: Any) -> Outcome:
    nothing = np.zeros(1, np.int64)
    timeline = Timeline(np.zeros(1), nothing, nothing, nothing, nothing, nothing)
    score = Score(12.004, 48.016, 100, 0.9, 0.99, 0.0, 2.0, 3.0, 2.5, 7, 0, 0, 1, 1, timeline)
    return Outcome(replace(score, **figures), 0.99)


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ("attainment=99%", "pass  attainment: 99.00% (asked: at least 99%)"),
        ("attainment=99.01%", "FAIL  attainment: 99.00% (asked: at least 99.01%)"),
        ("gpu-hours=12.1", "pass  gpu-hours: 12.00 (asked: at most 12.1)"),
        ("gpu-hours=12", "FAIL  gpu-hours: 12.004 (asked: at most 12)"),
        ("cost=$48.02", "pass  cost: $48.02 (asked: at most $48.02)"),
        ("cost=48", "FAIL  cost: $48.02 (asked: at most 48)"),
        ("p99-wait=1s500ms", "FAIL  p99-wait: 2.00 s (asked: at most 1s500ms)"),
        ("p99-first-token=3s", "pass  p99-first-token: 2.50 s (asked: at most 3s)"),
        ("cold-starts=7", "pass  cold-starts: 7 (asked: at most 7)"),
        ("failed=0", "pass  failed: 0 (asked: at most 0)"),
    ],
)
def test_an_assertion_says_what_was_measured_and_what_was_asked(asked: str, line: str) -> None:
    (checked,) = check([parse(asked)], outcome())
    assert checked.line == line
    assert checked.passed == line.startswith("pass")
    assert checked.document["passed"] == checked.passed


@pytest.mark.parametrize("unmeasured", [math.inf, math.nan])
def test_what_could_not_be_measured_fails(unmeasured: float) -> None:
    (checked,) = check([parse("p99-wait=1h")], outcome(p99_wait_seconds=unmeasured))
    assert checked.line == "FAIL  p99-wait: could not be measured (asked: at most 1h)"
    assert (checked.passed, checked.document["measured"]) == (False, None)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("attainmnt=99%", "no figure 'attainmnt'; did you mean attainment?"),
        ("gpu_hours=1", "did you mean gpu-hours?"),
        ("", "no figure ''. All: attainment, "),
        ("foo=3", "no figure 'foo'. All: attainment, "),
        ("attainment=99", "write it like attainment=99%"),
        ("attainment=101%", "write it like attainment=99%"),
        ("attainment=nan%", "write it like attainment=99%"),
        ("gpu-hours=12h", "write it like gpu-hours=12.5"),
        ("cost=-1", "write it like cost=$40"),
        ("p99-wait=2", "write it like p99-wait=2s"),
        ("failed=0.5", "write it like failed=0"),
        ("failed", "write it like failed=0"),
    ],
)
def test_an_assertion_that_cannot_be_read_says_how_to_write_it(asked: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        parse(asked)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_report_fits_the_terminal_and_says_who_meets_the_slo_at_what_cost(tmp_path: Path, width: int) -> None:
    console = Console(width=width, record=True, file=io.StringIO(), force_terminal=True, color_system=None)
    show(console, play(*scene_of(tmp_path)), policy_source="policy llm/chat")
    text = console.export_text()
    assert all(len(line) <= width for line in text.splitlines())
    assert "…" not in text
    said = " ".join(text.split())
    assert re.search(r"Outrider (meets|misses) the SLO, 95% within 2 s: [0-9.]+% for [0-9.]+ GPU-hours\. ", said)
    assert re.search(r"ScaledObject (meets|misses) it: [0-9.]+% for [0-9.]+ GPU-hours, .* Outrider\. ", said)
    assert re.search(
        r"HPA tuned meets it for [0-9.]+ GPU-hours, [^.]* Outrider, at the cheapest value tried \(.*, known only in hindsight\)\. ",
        said,
    )


def test_every_cost_is_shown_beside_the_clairvoyants() -> None:
    standings = play(square((2, 8, 2, 8, 2)), default(), contenders=CONTENDERS[1:])
    assert standings.clairvoyant is not None
    found = document(standings, policy_source="")
    least = found["clairvoyant"]["gpu_hours"]
    assert found["clairvoyant"]["attainment"] >= 0.99
    for row in found["contenders"]:
        assert row["cost_per_clairvoyant"] == row["gpu_hours"] / least
    console = Console(width=80, record=True, file=io.StringIO(), force_terminal=True, color_system=None)
    show(console, standings, policy_source="")
    lines = console.export_text().splitlines()
    for row in found["contenders"]:
        hours = f" {row['gpu_hours']:,.2f} +{row['cost_per_clairvoyant']:.2f} "
        assert any(re.search(hours, line) for line in lines), hours
    assert any(re.match(rf"clairvoyant +{least:,.2f} +1\.00 ", line) for line in lines)
    assert any(line.startswith("The clairvoyant, a schedule made with the traffic known in advance") for line in lines)


def test_the_columns_that_matter_least_go_where_it_is_narrow(tmp_path: Path) -> None:
    standings = play(*scene_of(tmp_path))

    def headings(width: int) -> list[str]:
        console = Console(width=width, record=True, file=io.StringIO(), force_terminal=True, color_system=None)
        console.print(table(standings, width))
        return console.export_text().splitlines()[2].split()

    assert {"voyant", "cost", "failed", "replicas"} <= set(headings(120))
    assert headings(70) == ["hours", "voyant", "1", "s", "2", "s", "5", "s"]
    assert headings(60) == ["hours", "voyant", "2", "s", "5", "s"]  # the SLO's own wait stays
