"""`outrider replay`: what it prints, what it writes, what it refuses."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from autoscaler.records.reader import select
from policies.log import redecide
from replay.contenders.registry import CONTENDERS
from replay.report.columns import percent
from tests.replay.synthetic_chat import POLICY, chat, replay

KEYS = Path(__file__).parent / "document_keys.txt"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("replay")
    chat(folder)
    (folder / "policy.yaml").write_text(POLICY.replace("spec:\n", "spec:\n  mode: Shadow\n"))
    return folder


@pytest.fixture(scope="module")
def arguments(folder: Path) -> list[str]:
    return [str(folder / "chat.csv"), "--policy", str(folder / "policy.yaml"), "--seed", "5"]


@pytest.fixture(scope="module")
def document(folder: Path, arguments: list[str]) -> dict[str, Any]:
    code, out, err = replay(*arguments, "--json", "--decision-log", str(folder / "log.jsonl"))
    assert (code, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


def paths(value: object, prefix: str = "") -> set[str]:
    if isinstance(value, dict):
        return set().union(*(paths(inner, f"{prefix}.{name}") for name, inner in value.items()))
    if isinstance(value, list):
        return set().union(*(paths(inner, f"{prefix}[]") for inner in value)) or {f"{prefix}[]".removeprefix(".")}
    return {prefix.removeprefix(".")}


def test_the_documents_keys_are_stable(document: dict[str, Any]) -> None:
    """Another key set is another schema: change the golden file, and the VERSION where a key goes."""
    assert sorted(paths(document)) == KEYS.read_text().splitlines()


def test_what_was_played(document: dict[str, Any]) -> None:
    assert document["scenario"]["requests"] == 3900
    assert document["scenario"]["initial_replicas"] <= 6
    assert document["hardware"]["name"] == "8b-l4"
    assert document["policy"]["name"] == "llm/chat"
    assert document["policy"]["mode"] == "Active"  # a Shadow policy is played as if it were
    kinds = [row["kind"] for row in document["contenders"]]
    assert kinds[:2] == ["outrider", "reactive"]
    assert all(row["max_replicas"] <= 6 for row in document["contenders"])
    first = document["scenario"]["initial_replicas"]
    assert [fleet["kind"] for fleet in document["series"]["fleets"]] == kinds
    assert all(fleet["ready"][0] == first for fleet in document["series"]["fleets"])


def test_every_contender_has_the_actuators_that_are_named(arguments: list[str]) -> None:
    _, out, _ = replay(*arguments, "--duration", "1m", "--actuators", "pre-pull,prefetch", "--json")
    document = json.loads(out)
    assert document["scenario"]["actuators"] == {"pre_pull": True, "weights": "prefetch", "compile_cache": "none"}
    assert document["policy"]["cold_start"]["ahead"] == ["image", "weights"]


def test_the_picks_are_those_of_the_sweep(document: dict[str, Any]) -> None:
    ours = document["contenders"][0]
    tried = {tuning["contender"]: tuning["tried"] for tuning in document["tuning"]}["tuned"]
    assert [it["knob_value"] for it in tried] == sorted({it["knob_value"] for it in tried})
    for row in (row for row in document["contenders"] if row["contender"] == "tuned"):
        same = next(it for it in tried if it["knob_value"] == row["knob_value"])
        assert same.items() <= row.items()
        assert row["kind"] == f"tuned_{row['pick']}"
        if row["pick"] == "at_cost":
            able = [it for it in tried if it["gpu_hours"] <= ours["gpu_hours"]]
            assert row["attainment"] == max(it["attainment"] for it in able)
        else:
            able = [it for it in tried if it["attainment"] >= ours["attainment"]]
            assert row["gpu_hours"] == min(it["gpu_hours"] for it in able)


def test_the_same_seed_gives_the_same_document(arguments: list[str], document: dict[str, Any]) -> None:
    assert json.loads(replay(*arguments, "--json")[1]) == document


def test_the_decision_log_redecides_and_explains(folder: Path, document: dict[str, Any]) -> None:
    with (folder / "log.jsonl").open() as lines:
        decisions = list(redecide(lines))
    assert len(decisions) >= 600 / 15 - 1
    assert all(item.matches for item in decisions)
    explained = select([folder / "log.jsonl"], policy="llm/chat", at_seconds=None, every=False)
    assert any("replicas" in each.sentence for each in explained)
    assert not any("Would" in each.sentence for each in explained)


def test_the_table_the_plot_and_the_verdict(arguments: list[str], document: dict[str, Any]) -> None:
    code, out, err = replay(*arguments)
    assert (code, err) == (0, "")
    assert "\x1b" not in out  # not a terminal: no colours
    for row in document["contenders"]:
        value = "" if row["knob_value"] is None else f" at {row['knob_value']:g}"
        name = next(entry.name for entry in CONTENDERS if entry.key == row["contender"])
        name = f"  {name}{value}" if value else name
        waits = " +".join(
            percent(share) for share in (row["share_within_1s"], row["attainment"], row["share_within_5s"])
        )
        cost = rf"\${row['cost']:,.2f}"
        assert re.search(f"^{name} +{row['gpu_hours']:,.2f} +{cost} +{waits} +", out, re.MULTILINE)
    assert (
        "No schedule that was tried meets it, even with the traffic known in advance." in out
    )  # ten minutes, and a cold start takes eight
    assert re.search("^Outrider +[▁▂▃▄▅▆▇█]+  [0-9]+$", out, re.MULTILINE)
    assert "Outrider compared with reactive ScaledObject: " in out
    assert "picks are chosen in hindsight" in out


def test_the_default_policy_says_so_and_takes_a_profile(folder: Path) -> None:
    code, out, _ = replay(str(folder / "chat.csv"), "--profile", "8b-a10g", "--duration", "2m")
    assert code == 0
    assert "default policy: 1 to 400 replicas of 8b-a10g" in out
    assert "requests in 2m" in out


def test_assertions_decide_the_exit_code(arguments: list[str], document: dict[str, Any]) -> None:
    ours = document["contenders"][0]
    met, missed = f"gpu-hours={ours['gpu_hours'] + 0.01}", f"cost={ours['cost'] / 2}"
    code, out, _ = replay(*arguments, "--assert", met, "--assert", missed)
    assert code == 1
    assert [line.split()[:2] for line in out.splitlines()[-2:]] == [["pass", "gpu-hours:"], ["FAIL", "cost:"]]
    code, out, err = replay(*arguments, "--assert", met, "--json")
    assert code == 0
    assert err.startswith("pass  gpu-hours: ")
    (asserted,) = json.loads(out)["assertions"]
    assert (asserted["name"], asserted["measured"], asserted["passed"]) == ("gpu-hours", ours["gpu_hours"], True)


REFUSED = {
    "unknown sample": (["sample:nights"], "no sample 'nights'; available: office-morning"),
    "sample without its prefix": (["office-morning"], "for the shipped sample, write sample:office-morning"),
    "no such file": (["none.csv"], "none.csv: cannot be read"),
    "truncated parquet": (["cut.parquet"], "cut.parquet: cannot be read"),
    "wrong column": (
        ["columns.csv"],
        "columns.csv: has no column for prompt_tokens or output_tokens; its columns are time, tokens",
    ),
    "unknown kind": (["notes.txt"], "notes.txt: is not a known kind of trace file"),
    "start outside": (["chat.csv", "--start", "1h"], "--start 1h is too late: chat lasts 10m"),
    "duration outside": (["chat.csv", "--duration", "1h"], "--duration 1h is too long: chat lasts 10m"),
    "start past a sample": (
        ["sample:office-morning", "--start", "3h"],
        "--start 3h is too late: office-morning lasts 36m",
    ),
    "duration past a sample": (
        ["sample:office-morning", "--start", "30m", "--duration", "7m"],
        "--duration 7m is too long: office-morning lasts 36m, of which 6m are left after --start 30m",
    ),
    "unknown field": (
        ["chat.csv", "--columns", "promt_tokens=a"],
        "--columns 'promt_tokens=a' does not name one of arrival, prompt_tokens, output_tokens",
    ),
    "field without column": (["chat.csv", "--columns", "arrival"], "names no column; write arrival=COLUMN"),
    "field twice": (["chat.csv", "--columns", "arrival=a,arrival=b"], "names two columns for arrival; keep one"),
    "columns of a sample": (["sample:office-morning", "--time-unit", "s"], "are for tables, not for a sample"),
    "window without length": (["chat.csv", "--duration", "0s"], "no window from 0 to 0 s"),
    "window without requests": (["gap.csv", "--start", "1m", "--duration", "1m"], "no requests from 60 to 120 s"),
    "scale": (["chat.csv", "--scale", "0"], "scale must be above 0"),
    "duration": (["chat.csv", "--duration", "ten"], "--duration 'ten' is not a duration like 90s, 45m or 1d2h"),
    "days": (["chat.csv", "--start", "1d2x"], "--start '1d2x' is not a duration"),
    "empty duration": (["chat.csv", "--start", ""], "--start '' is not a duration"),
    "past": (["chat.csv", "--past", "all"], "Invalid value for '--past'"),
    "profile": (["chat.csv", "--profile", "8b"], "--profile '8b' is unknown; choose one of 8b-l4"),
    "profile and policy": (["chat.csv", "--profile", "8b-l4", "--policy", "policy.yaml"], "set spec.profile"),
    "no policy file": (["chat.csv", "--policy", "none.yaml"], "none.yaml: cannot be read: No such file"),
    "no policy inside": (
        ["chat.csv", "--policy", "other.yaml"],
        "other.yaml: expected exactly one ScalingPolicy, found 0",
    ),
    "figure": (["chat.csv", "--assert", "gpu-hour=1"], "no figure 'gpu-hour'; did you mean gpu-hours?"),
    "actuator": (["chat.csv", "--actuators", "prepull"], "--actuators 'prepull' is unknown; did you mean pre-pull?"),
    "log folder": (
        ["chat.csv", "--decision-log", "none/log.jsonl"],
        "outrider replay: none/log.jsonl: No such file or directory",
    ),
}


@pytest.mark.parametrize(("given", "why"), REFUSED.values(), ids=REFUSED)
def test_refusals(given: list[str], why: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "cut.parquet").write_bytes(b"PAR1 and then nothing")
    (folder / "columns.csv").write_text("time,tokens\n1,2\n")
    (folder / "gap.csv").write_text("arrival_s,prompt_tokens,output_tokens\n0,5,5\n600,5,5\n")
    (folder / "notes.txt").write_text("x")
    (folder / "other.yaml").write_text("apiVersion: v1\nkind: Service\nmetadata: {name: a}\n")
    monkeypatch.chdir(folder)
    code, out, err = replay(*given)
    assert (code, out) == (2, "")
    assert why in err


def test_every_problem_of_a_policy_is_reported_with_its_line(folder: Path) -> None:
    bad = folder / "bad.yaml"
    bad.write_text(POLICY.replace("2s", "soon").replace("95%", "101%").replace("maxReplicas: 6", "maxReplica: 6"))
    code, out, err = replay(str(folder / "chat.csv"), "--policy", str(bad))
    assert (code, out) == (2, "")
    reported = [line.removeprefix(f"{bad}:") for line in err.splitlines()]
    assert [line.split(": ")[1] for line in reported] == [
        "spec.maxReplicas", "spec.slo.queueWait", "spec.slo.attainment", "spec.maxReplica",
    ]  # fmt: skip
    assert all("; instead: " in line for line in reported)
