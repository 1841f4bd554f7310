"""`outrider replay` with a scenario file."""

import json
from pathlib import Path

import pytest

from replay.commands.processes import Workers, WorkersError
from tests.replay.synthetic_chat import replay
from tests.replay.test_cluster_tournament import TEXT

CONTENDERS = "  contenders: [{name: outrider}, {name: token_rate, value: 0.6, standby: 1, prePull: true}]\n"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scenario") / "two.yaml"
    path.write_text(TEXT.replace("duration: 20m", "duration: 5m") + CONTENDERS)
    return path


def test_a_scenario_is_played_and_shown(file: Path) -> None:
    code, out, err = replay(str(file))
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "two: several workloads on one cluster"
    assert sum(line.startswith("HPA on token rate with 1 standby and pre-pull at 0.6 ") for line in lines) == 3
    assert sum(line.startswith("Outrider ") for line in lines) == 3


def test_its_figures_are_one_document_and_the_same_each_time(file: Path) -> None:
    code, out, err = replay(str(file), "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["version"], found["scenario"]["name"], found["scenario"]["seed"]) == (1, "two", 0)
    assert [each["contender"] for each in found["contenders"]] == ["outrider", "token_rate"]
    assert found["pool"]["limits"]["gpus"] == 12
    assert replay(str(file), "--json")[1] == out
    assert json.loads(replay(str(file), "--json", "--seed", "5")[1])["scenario"]["seed"] == 5


@pytest.mark.slow
def test_several_processes_play_the_same(file: Path) -> None:
    code, out, err = replay(str(file), "--json", "--jobs", "2")
    assert (code, err) == (0, "")
    assert out == replay(str(file), "--json", "--jobs", "1")[1]


def test_processes_that_end_are_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spread(*_: object) -> object:
        raise WorkersError("a process ended before its run did")

    monkeypatch.setattr(Workers, "spread", spread)
    assert replay(str(file), "--jobs", "2") == (1, "", "outrider replay: a process ended before its run did\n")


def test_what_the_file_says_itself_is_no_option(file: Path) -> None:
    code, out, err = replay(str(file), "--scale", "2", "--duration", "1h")
    assert (code, out) == (2, "")
    assert err == (
        "outrider replay: --scale and --duration cannot be used with a scenario file; write it into the file\n"
    )
    assert replay(str(file), "--assert", "attainment=99%")[2] == (
        "outrider replay: --assert cannot be used with a scenario file\n"
    )
    assert replay(str(file), "more.csv")[2] == ("outrider replay: one scenario is played at a time; name one file\n")


def test_a_problem_has_its_line(file: Path) -> None:
    wrong = file.with_name("wrong.yaml")
    wrong.write_text(TEXT.replace("duration: 20m", "duration: 20"))
    code, _, err = replay(str(wrong))
    assert code == 2
    assert err == f"{wrong}:5: spec.duration: 20: a duration needs a unit; instead: 20s\n"
    assert replay("scenario:none")[:2] == (2, "")
