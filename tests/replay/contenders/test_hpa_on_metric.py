"""The peers beside a schedule."""

from dataclasses import replace
from pathlib import Path

from crds.workload import Schedule, Workload
from replay.driver import run
from replay.scenario.policy import read
from replay.scenario.scenario import Scenario
from replay.tournament import compare, scene
from replay.traces.read import read as read_trace
from tests.replay.played import POLICY, chat

# Trace time begins on a Monday at 00:00 UTC.
EARLY = Schedule("early", ("Mon",), "00:05", "00:08", "UTC", 5)


def scene_of(folder: Path) -> tuple[Scenario, Workload]:
    (folder / "policy.yaml").write_text(POLICY)
    workload = replace(read(folder / "policy.yaml"), schedules=(EARLY,))
    trace = read_trace(chat(folder))
    return (
        scene(trace, workload, scale=0.2, start_seconds=0, duration_seconds=None, past="none", seed=1),
        workload,
    )


def test_every_contender_keeps_the_policys_schedule(tmp_path: Path) -> None:
    """0.7 s: it plays every contender there is."""
    scenario, workload = scene_of(tmp_path)
    comparison = compare(scenario, workload)
    for row in comparison.rows:
        line = row.outcome.score.timeline
        at = (line.seconds >= scenario.start_seconds + 330) & (line.seconds < scenario.start_seconds + 480)
        assert line.spec_replicas[at].min(initial=9) >= 5, row.kind


def test_progress_is_told_for_each_run_and_ends_at_one(tmp_path: Path) -> None:
    scenario, workload = scene_of(tmp_path)
    told: list[tuple[str, float]] = []
    compare(scenario, workload, progress=lambda name, share: told.append((name, share)))
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert told[-1] == ("", 1.0)
    assert {"Outrider", "reactive", "HPA 26 in flight"} <= {name for name, _ in told}


def test_attainment_is_of_the_wait_that_is_asked_for(tmp_path: Path) -> None:
    from replay.contenders.hpa_on_metric import reactive

    scenario, _ = scene_of(tmp_path)
    for seconds in (1.0, 5.0):
        outcome = run(scenario, reactive(1, 2), slo_wait_seconds=seconds)
        within = outcome.score.share_within_1s if seconds == 1.0 else outcome.score.share_within_5s
        assert outcome.attainment == within
