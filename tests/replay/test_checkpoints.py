"""Finished runs are kept until the whole is done, and none is ever taken for another."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crds.workload import Workload
from replay import checkpoints
from replay.checkpoints import Checkpoints
from replay.contenders.registry import CONTENDERS
from replay.driver import Outcome
from replay.report.document import document
from replay.runs import Run, here
from replay.scenario.scenario import Scenario
from replay.tournament import play
from replay.traces.trace import Requests
from tests.replay.test_tournament import scene_of

_, REACTIVE, TUNED = CONTENDERS[:3]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scenario, Workload]:
    return scene_of(tmp_path_factory.mktemp("scene"))


class Interrupted:
    """Plays in this process, and is interrupted after some runs."""

    def __init__(self, after: int) -> None:
        self.played: list[str] = []
        self.after = after

    def __call__(self, runs: Sequence[Run], progress: Callable[[Run, float], None], /) -> Iterator[tuple[Run, Outcome]]:
        for run, outcome in here(runs, progress):
            if len(self.played) == self.after:
                raise KeyboardInterrupt
            self.played.append(run.name)
            yield run, outcome


def test_an_interrupted_tournament_goes_on_where_it_stopped(scene: tuple[Scenario, Workload], tmp_path: Path) -> None:
    first, second = Interrupted(4), Interrupted(99)
    folder = tmp_path / "new" / "folder"
    kept = Checkpoints(folder)
    with pytest.raises(KeyboardInterrupt):
        play(*scene, play=kept.around(first))
    assert len(kept) == len(list(folder.iterdir())) == 4
    again = Checkpoints(folder)
    resumed, whole = play(*scene, play=again.around(second)), play(*scene)
    assert document(resumed, policy_source="") == document(whole, policy_source="")
    assert first.played == ["Outrider", "reactive ScaledObject", "HPA tuned, 1", "HPA tuned, 1.4"]
    assert not {*first.played} & {*second.played}
    assert (again.resumed, len(again)) == (4, 4 + len(second.played))
    again.clear()
    assert list(folder.iterdir()) == []


def changes(run: Run) -> dict[str, Run]:
    scenario, policy = run.scenario, run.workload.policy
    requests = scenario.requests
    longer = requests.output_tokens.copy()
    longer[-1] += 1

    def in_scenario(**changed: object) -> Run:
        return replace(run, scenario=replace(scenario, **changed))  # type: ignore[arg-type]

    return {
        "a token": in_scenario(requests=Requests(requests.arrival_s, requests.prompt_tokens, longer)),
        "the seed": in_scenario(seed=scenario.seed + 1),
        "the start": in_scenario(start_seconds=scenario.start_seconds + 1.0),
        "the first fleet": in_scenario(initial_replicas=scenario.initial_replicas + 1),
        "the hardware": in_scenario(hardware=replace(scenario.hardware, kv_tokens=1)),
        "the policy": replace(run, workload=replace(run.workload, policy=replace(policy, attainment=0.9))),
        "the schedules": replace(run, workload=replace(run.workload, schedules=())),
        "the knob": replace(run, knob_value=26.1),
        "the contender": replace(run, entry=REACTIVE, knob_value=None),
    }


def test_a_changed_input_never_gives_an_old_result(scene: tuple[Scenario, Workload], tmp_path: Path) -> None:
    kept, run = Checkpoints(tmp_path), Run("", TUNED, *scene, knob_value=26.0)
    paths = {what: kept.path(each) for what, each in changes(run).items()}
    assert len({kept.path(run), *paths.values()}) == 1 + len(paths)
    assert kept.path(replace(run, name="of the progress alone")) == kept.path(run)


def test_changed_code_never_gives_an_old_result(
    scene: tuple[Scenario, Workload], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run("", REACTIVE, *scene)
    before = Checkpoints(tmp_path).path(run)
    monkeypatch.setattr(checkpoints, "PACKAGES", ("replay",))
    checkpoints.code_version.cache_clear()
    assert Checkpoints(tmp_path).path(run) != before
    monkeypatch.undo()
    checkpoints.code_version.cache_clear()
    assert Checkpoints(tmp_path).path(run) == before


def test_the_name_of_a_file_is_that_of_another_process_too(scene: tuple[Scenario, Workload], tmp_path: Path) -> None:
    """A scenario that is built anew from the same file has the same names, whatever objects it shares."""
    (tmp_path / "again").mkdir()
    anew = scene_of(tmp_path / "again")
    assert Checkpoints(tmp_path).path(Run("", REACTIVE, *anew)) == Checkpoints(tmp_path).path(Run("", REACTIVE, *scene))


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:200],
        lambda data: data[::-1],
        lambda data: re.sub(rb"(?s)(PK\x01\x02..).", b"\\1\xff", data),  # of a newer version of ZIP
        lambda data: re.sub(rb"(?s)(PK\x01\x02....).", b"\\1\x01", data),  # encrypted
    ],
)
def test_a_damaged_file_counts_as_missing(
    scene: tuple[Scenario, Workload], tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    runs = (Run("", REACTIVE, *scene),)
    ((_, outcome),) = Checkpoints(tmp_path).around(here)(runs, lambda _run, _share: None)
    (file,) = tmp_path.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    kept = Checkpoints(tmp_path)
    ((_, again),) = kept.around(here)(runs, lambda _run, _share: None)
    assert (kept.resumed, again.score.gpu_hours) == (0, outcome.score.gpu_hours)


def test_an_outcome_is_kept_to_the_digit(scene: tuple[Scenario, Workload], tmp_path: Path) -> None:
    run = Run("", REACTIVE, *scene)
    score = replace(run.play().score, gpu_hours=0.1 + 0.2, p99_wait_seconds=math.inf)
    odd = Outcome(score, 1.0 / 3.0)
    list(Checkpoints(tmp_path).around(lambda *_: iter([(run, odd)]))((run,), lambda _run, _share: None))
    ((_, kept),) = Checkpoints(tmp_path).around(here)((run,), lambda _run, _share: None)
    assert replace(kept.score, timeline=score.timeline) == score
    assert kept.attainment == odd.attainment
    for name in checkpoints.TIMELINE:
        ours, theirs = getattr(kept.score.timeline, name), getattr(score.timeline, name)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


def test_a_folder_that_cannot_be_written_costs_only_time(scene: tuple[Scenario, Workload], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    kept = Checkpoints(tmp_path / "file")
    assert len(list(kept.around(here)((Run("", REACTIVE, *scene),), lambda _run, _share: None))) == 1
    assert len(kept) == 0
