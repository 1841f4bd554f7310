"""The benchmark of decisions: which runs it plays, what is kept, what the page says; and the guard on a few hours of each trace."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from benchmarks.decisions import actuators, cases, clairvoyant, kept, plan, play, quick
from benchmarks.decisions.cases import LONG, MAIN, Case
from benchmarks.decisions.chart import chart
from benchmarks.decisions.figures import Figures
from benchmarks.decisions.jobs import OURS, PEERS, Job, Result, between
from benchmarks.decisions.page import page
from replay.sim.views import Timeline

KNOBBED = next(entry for entry in PEERS.values() if entry.knob)


def result(gpu_hours: float, within_5s: float, hours: int = 48) -> Result:
    late = round(1000 * (1.0 - within_5s))
    return Result(
        gpu_hours=gpu_hours,
        within_1s=within_5s - 0.005,
        within_5s=within_5s,
        requests=1000 * hours,
        failed=0,
        late_while_starting=3,
        replicas_started=9,
        serving_hours=0.8 * gpu_hours,
        starting_hours=0.1 * gpu_hours,
        hourly_gpu_hours=(gpu_hours / hours,) * hours,
        hourly_requests=(1000,) * hours,
        hourly_late=(late,) * hours,
        gpu_hours_at_999=70.0,
    )


def imagined(job: Job) -> Result:
    """A world in which the higher a peer's target is, the cheaper it is and the less it attains: 99 % is at half of the knob."""
    if job.contender == clairvoyant.KEY:
        return result(60.0, 0.99)
    if job.contender == OURS.key:
        return result(75.0 * (2.0 - job.engine_factor if job.engine_factor < 1.0 else 1.0), 0.995)
    if job.value is None:
        return result(70.0, 0.7)
    entry = PEERS[job.contender]
    high = max(plan.grid(entry, job.case.cold_start))
    return result(120.0 - 40.0 * job.value / high, 1.0 - 0.02 * job.value / high)


def played(imagine: Callable[[Job], Result | None]) -> dict[Job, Result | None]:
    known: dict[Job, Result | None] = {}
    for _ in range(10):
        missing = [job for job in plan.wanted(known) if job not in known]
        if not missing:
            return known
        known |= {job: imagine(job) for job in missing}
    raise AssertionError("it never ends")


@pytest.fixture(scope="module")
def all_played() -> dict[Job, Result | None]:
    return played(imagined)


def test_a_sweep_closes_in_on_the_goal_and_then_plays_what_it_picked_with_each_seed(
    all_played: dict[Job, Result | None],
) -> None:
    assert KNOBBED.knob is not None
    for traffic in LONG:
        picked = plan.best(plan.points(Case(traffic.name), KNOBBED.key, all_played))
        assert picked is not None
        assert picked.value is not None
        assert 0.99 <= picked.attainment < 0.9925
        assert all(Job(Case(traffic.name, MAIN, seed), KNOBBED.key, picked.value) in all_played for seed in plan.SEEDS)
    assert plan.common(KNOBBED.key, all_played) is not None


def test_a_run_that_failed_is_left_out_and_the_plan_still_ends() -> None:
    known = played(lambda job: None if job.case.traffic == LONG[0].name else imagined(job))
    assert plan.common(KNOBBED.key, known) is None
    assert {goal.met for goal in Figures(known, {}).goals()} >= {None}
    assert "| - | - | - | - |" in page(Figures(known, {}), ["a run: OSError: why"])


def test_every_goal_is_computed_once_all_is_played(all_played: dict[Job, Result | None]) -> None:
    before = {str(job.case): {"gpu_hours": 100.0, "within_1s": 0.99, "within_5s": 0.999} for job in all_played}
    goals = list(Figures(all_played, before).goals())
    assert [goal.value for goal in goals if goal.met is None] == []
    assert goals[0].value == "0.750, least 99.50%"
    assert goals[0].met
    assert goals[-1].value.split(", ")[0] == "1.500"  # of a profile that takes the engine for half as fast
    assert not goals[-1].met


def test_what_is_cheaper_because_it_attains_less_meets_no_goal(all_played: dict[Job, Result | None]) -> None:
    def beside_peers(within_5s: float) -> list[bool | None]:
        known = dict(all_played)
        known |= {job: result(40.0, within_5s) for job in known if job.contender == OURS.key}
        return [goal.met for goal in Figures(known, {}).goals() if goal.name.startswith("beside the best peer")]

    assert beside_peers(0.991) == [True, True]
    assert beside_peers(0.989) == [False, False]


def test_the_page_names_no_place_on_this_machine_and_the_document_is_plain_json(
    all_played: dict[Job, Result | None],
) -> None:
    figures = Figures(all_played, {})
    written = page(figures, [])
    assert str(cases.TRACES.parent) not in written
    assert "None" not in written
    assert not re.search(r"\bnan\b", written)
    assert ET.fromstring(chart(figures)).tag.endswith("svg")
    document = json.loads(json.dumps(figures.document(), allow_nan=False))
    assert len(document["runs"]) == len(all_played)


def test_hours_add_up_and_the_last_row_holds_until_the_end() -> None:
    column = np.array([2, 4, 0, 1])
    timeline = Timeline(np.array([100.0, 1900.0, 3700.0, 9100.0]), *(column,) * 5)
    edges_s = np.array([0.0, 3600.0, 7200.0, 10_000.0])
    assert between(edges_s, timeline, "nodes") == pytest.approx((3.0, 0.0, 1000.0 / 3600.0))


def test_a_kept_run_depends_on_the_code_that_it_reaches() -> None:
    ours, theirs = (kept.reached((kept.module(key), *kept.PLAYED_BY)) for key in (OURS.key, KNOBBED.key))
    engine, forecaster = kept.ROOT / "policies/engine.py", kept.ROOT / "forecasting/forecaster.py"
    assert {engine, forecaster} <= ours
    assert not {engine, forecaster} & theirs
    assert kept.ROOT / "replay/sim/kernel.py" in ours & theirs


def test_a_run_is_kept_and_another_that_fails_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: Path
) -> None:
    monkeypatch.setattr(kept, "FOLDER", tmp_path / "kept")
    good, bad = (Job(Case(LONG[0].name, seed=seed), OURS.key) for seed in (0, 1))

    def fake(job: Job) -> Result:
        if job == bad:
            raise ValueError("no luck")
        return result(75.0, 0.995)

    monkeypatch.setattr(play, "play", fake)
    known, failures = play.until_known(lambda _known: (good, bad), 1)
    assert known == {good: result(75.0, 0.995), bad: None}
    assert failures == [f"{bad}: ValueError: no luck"]
    monkeypatch.setattr(play, "play", lambda _job: None)
    assert play.until_known(lambda _known: (good,), 1)[0] == {good: result(75.0, 0.995)}


def test_a_run_is_kept_as_one_of_the_source_that_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: Path
) -> None:
    monkeypatch.setattr(kept, "FOLDER", tmp_path)
    job = Job(Case(LONG[0].name), OURS.key)
    before = kept.path(job)

    def edited_meanwhile(_job: Job) -> Result:
        monkeypatch.setattr(kept, "code", lambda _module: "edited")
        return result(75.0, 0.995)

    monkeypatch.setattr(play, "play", edited_meanwhile)
    play.until_known(lambda _known: (job,), 1)
    assert list(tmp_path.iterdir()) == [before]


def test_a_damaged_file_counts_as_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: Path) -> None:
    monkeypatch.setattr(kept, "FOLDER", tmp_path)
    job = Job(Case(LONG[0].name), OURS.key)
    for text in ("", "{", "[]", '{"gpu_hours": 3}'):
        kept.path(job).write_text(text)
        assert kept.load(job) is None


def test_a_window_is_worse_where_it_is_dearer_or_later() -> None:
    stored = {"a": {"gpu_hours": 100.0, "within_5s": 0.99}}
    for gpu_hours, within_5s, is_worse in ((103.0, 0.99, False), (103.1, 0.99, True), (90.0, 0.988, True)):
        (row,) = quick.compare({"a": {"gpu_hours": gpu_hours, "within_5s": within_5s}}, stored)
        assert row.is_worse is is_worse


@pytest.mark.slow
def test_decisions_are_no_worse_than_stored(shared: Path) -> None:
    found, failures = quick.figures(1)
    assert failures == []
    worse = [row for row in quick.compare(found, quick.stored()) if row.is_worse]
    assert worse == [], quick.TO_UPDATE


def test_gpu_hours_are_compared_at_one_attainment() -> None:
    played = [(10.0, 0.9), (20.0, 0.99), (15.0, 0.85), (30.0, 0.999)]
    assert actuators.gpu_hours_at(played, 0.99) == pytest.approx(20.0)
    assert actuators.gpu_hours_at(played, 1.0 - 0.1**1.5) == pytest.approx(
        15.0
    )  # halfway from one late in ten to one in a hundred
    assert actuators.gpu_hours_at(played, 0.5) == 10.0
    assert actuators.gpu_hours_at(played, 0.9999) is None
    assert actuators.gpu_hours_at([], 0.5) is None


def test_the_page_has_a_row_for_each_actuator_on_each_traffic(all_played: dict[Job, Result | None]) -> None:
    written = page(Figures(all_played, {}), [])
    for traffics in actuators.PLAYED.values():
        for traffic in traffics:
            rows = [line for line in written.splitlines() if line.startswith(f"| {traffic.name}, ")]
            assert len([row for row in rows if any(f"| {name} |" in row for name in actuators.VARIANTS)]) == len(
                actuators.VARIANTS
            )
