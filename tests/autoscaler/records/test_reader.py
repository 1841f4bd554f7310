"""`outrider explain` on a log, and files that neither `explain` nor `redecide` can read."""

import gzip
import json
import os
import threading
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from autoscaler.records import reader
from autoscaler.records.reader import BadTimeError, files, parse_time, select
from autoscaler.records.writer import Recorder
from autoscaler.settings import DECISION_LOG_BYTES
from policies.engine import step
from policies.errors import LogError
from policies.model import State
from policies.supply import Role, Rung, Supply, Unit
from tests.autoscaler.records.logs import RATES, run, write_log
from tests.support.worlds import START, TICK, Fleet, a_policy

LEAD_OF_NO_LENGTH = [{"rule": "LeadTime", "replicas": 5.6, "numbers": [], "note": ""}]


def one(log: Path) -> Path:
    return next(log.glob("decisions-*.jsonl"))


def test_every_change_is_listed_and_nothing_else(log: Path) -> None:
    explained_decisions = select([log], policy="chat/qwen", at_seconds=None, every=False)
    plans = [explained.decision.plan for explained in explained_decisions]
    pairs = [(plan.desired_replicas, plan.prepared_nodes) for plan in plans if plan]
    assert len(pairs) > 3
    assert all(before != now for before, now in pairwise(pairs))
    assert any(explained.sentence.startswith("Grows from") for explained in explained_decisions)


def test_every_decision_is_listed_on_request(log: Path) -> None:
    assert len(select([log], policy=None, at_seconds=None, every=True)) == 2 * len(RATES)
    assert len(select([one(log)], policy="chat/calm", at_seconds=None, every=True)) == len(RATES)


def test_at_a_time_the_decision_in_force_is_listed(log: Path) -> None:
    at = START + 10 * TICK + 7.0
    found = {explained.policy: explained for explained in select([log], policy=None, at_seconds=at, every=False)}
    assert set(found) == {"chat/qwen", "chat/calm"}
    assert found["chat/qwen"].decision.inputs.now_seconds == START + 10 * TICK
    assert select([log], policy=None, at_seconds=START, every=False) == []


def test_at_a_time_it_says_when_replicas_that_were_starting_were_expected_to_serve(tmp_path: Path) -> None:
    inputs = Fleet().tick(3.0)
    replica = Unit("qwen-9", Role.REPLICA, Rung.NODE_READY.passed, inputs.now_seconds - 10_000.0)
    policy, inputs = a_policy(), replace(inputs, supply=Supply(1, (replica,)))
    recorder = Recorder(tmp_path, DECISION_LOG_BYTES)
    recorder.record(policy, State(), inputs, step(policy, State(), inputs))
    recorder.close()
    [said] = select([tmp_path], policy=None, at_seconds=inputs.now_seconds, every=False)
    assert "qwen-9 has had a node for 2 h 46 min 40 s and does not serve, while 19 of 20 serve within " in said.sentence
    [bare] = select([tmp_path], policy=None, at_seconds=None, every=False)
    assert said.sentence.startswith(f"{bare.sentence} qwen-9 ")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-05-04T09:30:00Z", 1_777_887_000.0),
        ("2026-05-04T09:30:00", 1_777_887_000.0),
        ("2026-05-04T11:30:00+02:00", 1_777_887_000.0),
        ("1777887000", 1_777_887_000.0),
        ("1777887000.5", 1_777_887_000.5),
    ],
)
def test_moments(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["yesterday", "", "nan", "inf", "2026-13-01T00:00:00Z"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(BadTimeError, match="is not a time: write"):
        parse_time(text)


def test_a_folder_without_a_log_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"has no decisions-\*\.jsonl"):
        select([tmp_path], policy=None, at_seconds=None, every=False)


def test_explain_prints_a_line_for_each_change(log: Path) -> None:
    code, out, _ = run("explain", log, "--policy", "chat/qwen")
    assert code == 0
    assert all(line[:4] == "2025" and "chat/qwen" in line and line.endswith(".") for line in out.splitlines())


def test_explain_as_json_is_one_document(log: Path) -> None:
    code, out, _ = run("explain", log, "--at", START + 100 * TICK, "--json")
    assert code == 0
    assert {explained["policy"] for explained in json.loads(out)} == {"chat/qwen", "chat/calm"}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--policy", "chat/none"), 1, "no decision matches"),
        (("--at", "1970-01-01T00:00:00Z"), 1, "no decision matches"),
        (("--at", "soon"), 2, "'soon' is not a time"),
    ],
)
def test_explain_that_has_no_answer(log: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    got, _, error = run("explain", log, *arguments)
    assert got == code
    assert message in error


@pytest.mark.parametrize("command", ["explain", "redecide"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        (b"name,age\n1,2\n", "line 1 is not a line of a decision log"),
        (b"\xff\xfe\x00", "decode"),
        (b"[]\n{}\n", "an object was expected"),
        (b"[" * 100_000 + b"\n", "line 1 is not a line of a decision log"),
        (b"\x1f\x8b and then no gzip", "Unknown compression method"),
        (gzip.compress(b"\n" * 1000, mtime=0)[:-9], "ended before the end-of-stream marker"),
        (b"x" * 100, "longer than"),
    ],
)
def test_a_file_that_is_no_log_exits_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, content: bytes | None, message: str
) -> None:
    file = tmp_path / "file.jsonl"
    if content == b"x" * 100:
        monkeypatch.setattr(reader, "LINE_LIMIT_CHARACTERS", 100)
    if content is not None:
        file.write_bytes(content)
    code, _, error = run(command, file)
    assert code == 2
    assert message in error
    assert str(file) in error
    assert "Errno" not in error
    assert error.count("\n") == 1


@pytest.fixture
def rotated(tmp_path: Path) -> list[Path]:
    """Three files of one log, in order of time; the first is gzipped, and other files lie beside them."""
    write_log(tmp_path, max_bytes=600_000)
    first, second, third = sorted(tmp_path.iterdir())
    zipped = first.with_name(f"{first.name}.gz")
    zipped.write_bytes(gzip.compress(first.read_bytes()))
    first.unlink()
    (tmp_path / "README.md").write_text("# Logs\n")
    (tmp_path / "decisions-1.jsonl.part").write_text("half")
    (tmp_path / "empty").mkdir()
    return [zipped, second, third]


def test_files_come_in_the_order_of_time_each_once(rotated: list[Path]) -> None:
    folder = rotated[0].parent
    assert files([folder]) == rotated
    assert files(reversed(rotated)) == rotated
    assert files([rotated[2], folder, rotated[2]]) == rotated
    renamed = rotated[0].rename(folder / "z.gz")
    assert files([folder, renamed]) == [renamed, *rotated[1:]]
    empty = folder / "decisions-0.jsonl"
    empty.touch()
    assert files([folder]) == [*rotated[1:], empty]


def test_several_files_are_explained_as_one_log(rotated: list[Path]) -> None:
    whole = run("explain", rotated[0].parent)
    assert whole[0] == 0
    assert run("explain", *reversed(rotated)) == whole
    times = [line[:20] for line in whole[1].splitlines()]
    assert times == sorted(times)
    shown = json.loads(run("explain", rotated[0].parent, "--json")[1])
    assert [one["time"] for one in shown] == times
    assert {one["file"] for one in shown} <= {str(file) for file in rotated}


def test_standard_input_and_a_pipe_are_logs(log: Path, tmp_path: Path) -> None:
    text, whole = one(log).read_bytes(), run("explain", log)
    assert run("explain", "-", stdin=text) == whole
    code, _, error = run("explain", "-", log, stdin=text)
    assert code == 2
    assert "cannot be combined" in error
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    feed = threading.Thread(target=pipe.write_bytes, args=(text,))
    feed.start()
    assert run("explain", pipe) == whole
    feed.join()


@pytest.mark.parametrize("command", ["explain", "redecide"])
def test_a_log_without_a_decision_is_no_answer(tmp_path: Path, command: str) -> None:
    (tmp_path / "decisions-0.jsonl").touch()
    code, out, error = run(command, tmp_path)
    assert code == 1
    assert "no decision yet" in error if command == "explain" else out == "0 decisions, 0 different\n"


@pytest.mark.parametrize(
    ("command", "place", "value"),
    [
        ("explain", ("inputs", "now_seconds"), 1e300),
        ("explain", ("plan", "echelons", 0, "reasons"), LEAD_OF_NO_LENGTH),
        ("redecide", ("plan", "echelons", 0, "reasons"), LEAD_OF_NO_LENGTH),
        ("redecide", ("inputs", "cold_start", "image", "p50_seconds"), 0.0),
        ("redecide", ("inputs", "cold_start", "warmup", "p50_seconds"), 1e300),
    ],
)
def test_a_value_that_means_nothing_is_named_by_its_line(
    log: Path, command: str, place: tuple[str | int, ...], value: object
) -> None:
    file = one(log)
    header, state, first, *_ = file.read_text().splitlines()
    decision = json.loads(first)
    inner = decision
    for key in place[:-1]:
        inner = inner[key]
    assert place[-1] in inner
    inner[place[-1]] = value
    file.write_text("\n".join([header, state, json.dumps(decision), ""]))
    code, out, error = run(command, file)
    assert (code, out) == (2, "")
    assert error.startswith(f"outrider {command}: {file}: line 3 has values")
    assert error.count("\n") == 1
