"""The cluster's clock, and that the controller reads the same time from its file."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from autoscaler.clock import ScenarioClock as Follower
from replay.simcluster.clock import GRANTED_WALL_SECONDS, ScenarioClock
from tests.replay.simcluster.fake_world import START


def test_the_controller_follows_every_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wall = [50.0]
    monkeypatch.setattr(time, "monotonic", lambda: wall[0])
    ours = ScenarioClock(tmp_path / "clock", START - 600.0, 1.0)
    theirs = Follower(tmp_path / "clock")
    times = []
    changes: list[Callable[[], None]] = [
        lambda: None,
        lambda: ours.leap(START),
        lambda: ours.run(30.0),
        lambda: ours.leap(START),
    ]
    for change in changes:
        change()
        wall[0] += 0.125
        assert theirs.now() == ours.now()
        times.append(ours.now() - START)
    assert times == [-599.875, 0.125, 3.875, 7.625]
    assert [path.name for path in tmp_path.iterdir()] == ["clock"]


def test_time_stands_still_unless_it_is_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that hangs, or a machine that sleeps, finds the scenario where it was."""
    wall = [50.0]
    monkeypatch.setattr(time, "monotonic", lambda: wall[0])
    ours = ScenarioClock(tmp_path / "clock", START, 30.0)
    theirs = Follower(tmp_path / "clock")
    wall[0] += 3600.0
    assert theirs.now() == ours.now() == START + 30.0 * GRANTED_WALL_SECONDS
    ours.run(10.0)
    wall[0] += 0.1
    assert theirs.now() == ours.now() == pytest.approx(START + 30.0 * GRANTED_WALL_SECONDS + 1.0)


def test_time_stands_still_at_a_limit_and_never_runs_back_to_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall = [50.0]
    monkeypatch.setattr(time, "monotonic", lambda: wall[0])
    ours = ScenarioClock(tmp_path / "clock", START, 30.0)
    theirs = Follower(tmp_path / "clock")
    ours.run(30.0, START + 1.5)
    wall[0] += 0.1
    assert theirs.now() == ours.now() == START + 1.5
    ours.run(30.0, START + 1.0)
    wall[0] += 0.1
    assert theirs.now() == ours.now() == START + 1.5
