"""The decision log as files: states where folding starts anew, rotation, and a disk that fails."""

import errno
import io
import json
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, TextIO, cast

import pytest

from autoscaler.records.writer import FILES_KEPT, Recorder
from autoscaler.telemetry.metrics import REGISTRY
from policies import log
from policies.engine import restarted, step
from policies.log import decisions, redecide
from policies.model import Policy, State
from tests.support.starts import a_start
from tests.support.worlds import COLD_START, Fleet, a_policy


class Recorded:
    """A workload whose every decision is recorded."""

    def __init__(self, log: Recorder, policy: Policy | None = None) -> None:
        self.log, self.policy = log, policy or a_policy()
        self.fleet, self.state = Fleet(), State()

    def decide(self, decisions: int) -> None:
        for _ in range(decisions):
            inputs = self.fleet.tick(5.0 + self.fleet.now % 7)
            result = step(self.policy, self.state, inputs)
            self.log.record(self.policy, self.state, inputs, result)
            self.state = result.state


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("decisions-*.jsonl"))


def kinds(file: Path) -> list[str]:
    return [json.loads(line)["kind"] for line in file.read_text().splitlines()]


def matching(folder: Path) -> list[int]:
    """Of each file the decisions, all of which come out as they were written."""
    counts = []
    for file in files(folder):
        again = list(redecide(file.read_text().splitlines(keepends=True)))
        assert all(item.matches for item in again)
        counts.append(len(again))
    return counts


class FullDisk(io.TextIOBase):
    """A file that takes so many characters, half of a line too. What it does not do: buffer."""

    def __init__(self, file: TextIO, room: int) -> None:
        self.file, self.room = file, room

    def write(self, text: str) -> int:
        self.file.write(text[: self.room])
        self.room -= len(text)
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(text)

    def flush(self) -> None:
        self.file.flush()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> dict[str, int | None]:
    """`room`: characters that each new file takes; None: as many as there are."""
    given: dict[str, int | None] = {"room": None}
    real = Path.open

    def open_(path: Path, mode: str = "r", **options: Any) -> object:
        file, room = real(path, mode, **options), given["room"]
        return file if room is None or mode == "r" else FullDisk(cast(TextIO, file), room)

    monkeypatch.setattr(Path, "open", open_)
    return given


def test_a_file_opens_with_its_platform_and_the_state(tmp_path: Path) -> None:
    Recorded(Recorder(tmp_path)).decide(3)
    assert kinds(files(tmp_path)[0]) == ["header", "state", "decision", "decision", "decision"]


def test_the_state_is_repeated_every_so_many_decisions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert log.STATE_EVERY_LINES == 1000
    monkeypatch.setattr(log, "STATE_EVERY_LINES", 50)
    Recorded(Recorder(tmp_path)).decide(101)
    found = kinds(files(tmp_path)[0])
    assert [index for index, kind in enumerate(found) if kind == "state"] == [1, 52, 103]
    assert matching(tmp_path) == [101]


def test_a_changed_policy_and_a_changed_state_are_written_anew(tmp_path: Path) -> None:
    recorded = Recorded(Recorder(tmp_path))
    recorded.decide(2)
    recorded.policy = replace(recorded.policy, max_replicas=3)
    recorded.decide(2)
    recorded.state = restarted(recorded.policy, COLD_START, recorded.state, recorded.fleet.now)
    recorded.decide(2)
    assert kinds(files(tmp_path)[0])[1:] == ["state", "decision", "decision"] * 3
    assert matching(tmp_path) == [6]


def test_the_oldest_files_go_and_each_can_be_folded(tmp_path: Path) -> None:
    Recorded(Recorder(tmp_path, max_bytes=200_000)).decide(100)
    assert len(files(tmp_path)) == FILES_KEPT
    longest = max(len(line) for file in files(tmp_path) for line in file.read_text().splitlines())
    assert sum(file.stat().st_size for file in files(tmp_path)) <= 200_000 + FILES_KEPT * 2 * longest
    assert sum(matching(tmp_path)) >= (FILES_KEPT - 1) * 5
    assert not (tmp_path / "decisions-0.jsonl").exists()


def test_nothing_older_than_its_age_is_kept(tmp_path: Path) -> None:
    recorded = Recorded(Recorder(tmp_path, max_seconds=FILES_KEPT * 60.0))
    recorded.decide(100)
    opened = [float(file.stem.removeprefix("decisions-")) for file in files(tmp_path)]
    assert len(opened) == FILES_KEPT
    assert recorded.fleet.now - opened[0] <= FILES_KEPT * 60.0
    assert sum(matching(tmp_path)) >= (FILES_KEPT - 1) * 4


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Recorded(Recorder(None)).decide(2)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_costs_no_decision(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    recorded = Recorded(Recorder(tmp_path / "taken"))
    before = lost()
    recorded.decide(3)
    assert recorded.state.decided.replicas is not None
    assert lost() == before + 3


def lost() -> float:
    return REGISTRY.get_sample_value("outrider_decision_log_errors_total") or 0.0


def test_a_full_disk_tears_one_line_and_the_log_goes_on_in_another_file(
    tmp_path: Path, disk: dict[str, int | None]
) -> None:
    enough, full = tmp_path / "enough", tmp_path / "full"
    Recorded(Recorder(enough)).decide(2)
    recorded = Recorded(Recorder(full))
    disk["room"] = len(files(enough)[0].read_text()) - 1
    recorded.decide(3)
    disk["room"] = None
    recorded.decide(5)
    torn, whole = files(full)[0], files(full)[-1]
    assert not torn.read_text().endswith("\n")
    assert kinds(whole)[:2] == ["header", "state"]
    assert all(count > 0 for count in matching(full))


def test_a_full_disk_does_not_trade_old_logs_for_empty_ones(tmp_path: Path, disk: dict[str, int | None]) -> None:
    Recorded(Recorder(tmp_path)).decide(5)
    before = [file.read_text() for file in files(tmp_path)]
    disk["room"] = 10
    late = Recorded(Recorder(tmp_path))
    late.fleet.now += 3600.0
    late.decide(50)
    assert [file.read_text() for file in files(tmp_path)] == before


def test_logs_of_a_clock_that_is_ahead_do_not_cost_the_new_one(tmp_path: Path) -> None:
    for number in range(FILES_KEPT + 2):
        (tmp_path / f"decisions-9{number:013.3f}.jsonl").write_text("{}\n")
    log = Recorder(tmp_path)
    fleet, state = Fleet(), State()
    inputs = fleet.tick(4.0)
    log.record(a_policy(), state, inputs, step(a_policy(), state, inputs))
    log.close()
    found = sorted(tmp_path.glob("decisions-*.jsonl"))
    assert len(found) == FILES_KEPT
    assert len(list(decisions(found[0].read_text().splitlines(keepends=True)))) == 1


def test_a_start_is_written_among_the_decisions(tmp_path: Path) -> None:
    """And opens the file where it comes first."""
    recorded = Recorded(Recorder(tmp_path))
    recorded.log.start("chat/qwen", a_start(Random(1)), recorded.fleet.now, COLD_START)
    recorded.decide(2)
    recorded.log.start("chat/qwen", a_start(Random(2)), recorded.fleet.now, COLD_START)
    recorded.log.close()
    assert [kinds(file) for file in files(tmp_path)] == [["header", "start", "state", "decision", "decision", "start"]]
    assert matching(tmp_path) == [2]
