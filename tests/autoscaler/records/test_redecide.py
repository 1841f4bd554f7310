"""`outrider redecide` on files and folders."""

import json
from pathlib import Path

import pytest

from tests.autoscaler.records.logs import RATES, run, write_log

DECISIONS = 2 * len(RATES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose log has several files."""
    write_log(tmp_path / "decisions", max_bytes=600_000)
    return tmp_path / "decisions"


def falsify(file: Path) -> tuple[str, int, str]:
    """Change the last decision of a file; returns file, line and policy."""
    *lines, last = file.read_text().splitlines()
    data = json.loads(last)
    data["plan"]["echelons"][0]["count"] = 17
    file.write_text("\n".join([*lines, json.dumps(data)]) + "\n")
    return str(file), len(lines) + 1, data["name"]


def test_one_file(log: Path) -> None:
    [file] = log.iterdir()
    assert run("redecide", file) == (0, f"{DECISIONS} decisions, 0 different\n", "")
    assert json.loads(run("redecide", file, "--json")[1]) == {"decisions": DECISIONS, "different": []}


def test_a_folder_and_all_its_files_give_the_same(folder: Path) -> None:
    files = sorted(folder.iterdir())
    assert len(files) == 3
    assert run("redecide", folder) == (0, f"{DECISIONS} decisions, 0 different\n", "")
    assert run("redecide", *files) == run("redecide", folder)
    assert run("redecide", folder, *files) == run("redecide", folder)  # a file that is named twice counts once


def test_a_file_alone_has_the_states_that_it_needs(folder: Path) -> None:
    last = max(folder.iterdir())
    assert run("redecide", last)[0] == 0


def test_differences_are_listed_with_file_and_line(folder: Path) -> None:
    first, second, third = sorted(folder.iterdir())
    changed = [falsify(first), falsify(third)]
    code, out, _ = run("redecide", folder)
    assert code == 1
    listed = [line for line in out.splitlines() if "decisions-" in line]
    assert listed == [f"{file}:{line}: {name}" for file, line, name in changed]
    assert out.count("logged: Runs 17 replicas") == 2
    assert out.endswith(f"{DECISIONS} decisions, 2 different\n")
    different = json.loads(run("redecide", folder, "--json")[1])["different"]
    assert [(item["file"], item["line"]) for item in different] == [(file, line) for file, line, _ in changed]
    assert run("redecide", second)[0] == 0


def test_an_unreadable_file_among_others_is_named(folder: Path, tmp_path: Path) -> None:
    broken = folder / "decisions-9.jsonl"
    broken.write_text("name,age\n1,2\n")
    code, out, error = run("redecide", folder)
    assert (code, out) == (2, "")
    assert error.startswith(f"outrider redecide: {broken}: line 1 is not a line of a decision log")
    absent = tmp_path / "absent.jsonl"
    code, _, error = run("redecide", min(folder.iterdir()), absent)
    assert code == 2
    assert str(absent) in error


def test_a_folder_without_a_log_is_named(tmp_path: Path) -> None:
    code, _, error = run("redecide", tmp_path)
    assert code == 2
    assert f"{tmp_path} has no decisions-*.jsonl" in error


def test_a_log_without_decisions_is_no_proof(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    assert run("redecide", tmp_path / "empty.jsonl")[0] == 1
