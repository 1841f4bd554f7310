"""Every contender plays the same scenario; who takes part is a list."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from crds.files import one_policy
from crds.workload import Schedule, Workload
from replay.contenders.contender import Entry, Periodic
from replay.contenders.reactive import reactive
from replay.contenders.registry import CONTENDERS
from replay.contenders.view import View
from replay.driver import Outcome, run
from replay.optimum import MOST_RUNS
from replay.report.document import document
from replay.runs import Run, here
from replay.scenario.build import for_workload
from replay.scenario.scenario import Scenario
from replay.tournament import play
from replay.traces.read import read as read_trace
from tests.replay.synthetic_chat import POLICY, chat

# Trace time begins on a Monday at 00:00 UTC.
EARLY = Schedule("early", ("Mon",), "00:05", "00:08", "UTC", 5)


def scene_of(folder: Path) -> tuple[Scenario, Workload]:
    (folder / "policy.yaml").write_text(POLICY)
    workload = replace(one_policy(str(folder / "policy.yaml")).workload, schedules=(EARLY,))
    trace = read_trace(chat(folder))
    return (
        for_workload(trace, workload, scale=0.2, start_seconds=0, duration_seconds=None, past="none", seed=1),
        workload,
    )


def test_every_contender_keeps_the_policys_schedule(tmp_path: Path) -> None:
    scenario, workload = scene_of(tmp_path)
    standings = play(scenario, workload)
    for row in standings.rows:
        line = row.outcome.score.timeline
        at = (line.seconds >= scenario.start_seconds + 330) & (line.seconds < scenario.start_seconds + 480)
        assert line.spec_replicas[at].min(initial=9) >= 5, row.key


def test_progress_is_reported_for_each_run_and_ends_at_one(tmp_path: Path) -> None:
    scenario, workload = scene_of(tmp_path)
    reports: list[tuple[str, float, int]] = []
    play(scenario, workload, progress=lambda *report: reports.append(report))
    done = [runs for _, runs, _ in reports]
    assert done == sorted(done)
    (most,) = {most for _, _, most in reports}
    tuned = sum(entry.knob is not None for entry in CONTENDERS)
    assert most <= 2 + (9 + 8) * tuned + MOST_RUNS  # at the most: nine values, and eight finer ones
    assert reports[-1] == ("", most, most)
    assert {"Outrider", "reactive ScaledObject", "HPA tuned, 26"} <= {name for name, _, _ in reports}
    assert any(runs % 1 for runs in done)  # within a run of this process as well


def last_first(runs: Sequence[Run], progress: Callable[[Run, float], None], /) -> Iterator[tuple[Run, Outcome]]:
    """What other processes do: runs end in any order."""
    yield from here(tuple(reversed(runs)), progress)


def test_the_order_in_which_runs_end_changes_nothing(tmp_path: Path) -> None:
    scenario, workload = scene_of(tmp_path)
    one, other = play(scenario, workload), play(scenario, workload, play=last_first)
    assert document(one, policy_source="") == document(other, policy_source="")


def test_attainment_is_of_the_wait_that_is_asked_for(tmp_path: Path) -> None:
    scenario, workload = scene_of(tmp_path)
    for seconds in (1.0, 5.0):
        outcome = run(scenario, reactive(workload), slo_wait_seconds=seconds)
        within = outcome.score.share_within_1s if seconds == 1.0 else outcome.score.share_within_5s
        assert outcome.attainment == within


class Clairvoyant:
    """Writes down what it was entitled to know: the last arrival, long before it comes."""

    def __init__(self, scenario: Scenario) -> None:
        self.last_arrival_s = float(scenario.requests.arrival_s[-1])

    def attach(self, view: View) -> Sequence[Periodic]:
        return (Periodic(view.now_seconds + self.last_arrival_s, 60.0, lambda _now_seconds: view.scale(2)),)


def test_a_contender_that_is_entitled_to_the_future_is_made_from_the_scenario(tmp_path: Path) -> None:
    scenario, workload = scene_of(tmp_path)
    entitled = Entry("clairvoyant", "clairvoyant", "cyan", make=lambda _setup: Clairvoyant(scenario))
    standings = play(scenario, workload, contenders=(CONTENDERS[1], entitled))
    assert [row.key for row in standings.rows] == ["reactive", "clairvoyant"]
    line = standings.rows[1].outcome.score.timeline
    assert line.seconds[line.spec_replicas == 2].min() == scenario.start_seconds + scenario.requests.arrival_s[-1]


def test_an_outcome_that_is_known_is_not_played_again(tmp_path: Path) -> None:
    scenario, workload = scene_of(tmp_path)
    known = run(scenario, reactive(workload))
    standings = play(scenario, workload, contenders=CONTENDERS[:2], ours=known)
    assert standings.ours is known
    assert [row.key for row in standings.rows] == ["outrider", "reactive"]


def test_contenders_have_keys_and_colours_of_their_own() -> None:
    assert len({entry.key for entry in CONTENDERS}) == len({entry.style for entry in CONTENDERS}) == len(CONTENDERS)
    assert CONTENDERS[0].make is not None
    assert all(entry.make or entry.knob for entry in CONTENDERS)


@pytest.mark.parametrize("entry", CONTENDERS, ids=lambda entry: entry.key)
def test_a_colour_is_one_of_the_eight_that_have_a_bright_twin(entry: Entry) -> None:
    assert entry.style in {"black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"}
