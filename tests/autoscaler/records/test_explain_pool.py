"""`outrider explain --pool`: what a pool granted and refused, and why."""

import json
from pathlib import Path

import pytest

from autoscaler.records.writer import Recorder
from policies.pool import PoolState
from policies.pool_step import pool_step
from tests.autoscaler.records.logs import run, write_log
from tests.support.pool_logs import POOL, START, an_ask, pool_inputs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The pool is at its limit of 16 GPUs from the fourth of eight ticks on; there are decisions of policies beside it."""
    recorder, state = Recorder(tmp_path), PoolState()
    for tick in range(8):
        asked = 3 if tick < 3 else 12
        asks = (
            an_ask("chat/qwen", asked=asked),
            an_ask("code/llama", "tools", asked=9, kept_replicas=9, held_replicas=9),
        )
        inputs = pool_inputs(15.0 * tick, *asks)
        result = pool_step(POOL, state, inputs)
        recorder.record_pool(POOL, state, inputs, result)
        state = result.state
    recorder.close()
    write_log(tmp_path / "others")
    [other] = (tmp_path / "others").iterdir()
    other.rename(tmp_path / other.name)
    return tmp_path


def test_only_what_changed_is_shown_with_who_holds_what(folder: Path) -> None:
    code, out, error = run("explain", folder, "--pool", "h100")
    assert (code, error) == (0, "")
    heads = [line for line in out.splitlines() if "  pool h100" in line]
    assert [line[:20] for line in heads] == ["2026-05-28T20:26:40Z", "2026-05-28T20:27:25Z"]
    refused = next(line for line in out.splitlines() if line.startswith("    chat/qwen: "))
    assert "5 of 12 refused: pool h100 is at its limit of 16 GPUs" in refused
    assert "code/llama holds 9 of team tools" in refused


def test_at_a_time_the_decision_in_force_is_shown(folder: Path) -> None:
    code, out, _ = run("explain", folder, "--pool", "h100", "--at", START + 31.0)
    assert code == 0
    assert [line[:20] for line in out.splitlines() if "  pool h100" in line] == ["2026-05-28T20:27:10Z"]
    assert "refused" not in out


def test_every_decision_as_json(folder: Path) -> None:
    code, out, _ = run("explain", folder, "--pool", "h100", "--every", "--json")
    assert code == 0
    found = json.loads(out)
    assert len(found) == 8
    assert found[0]["pool"] == "h100"
    assert found[7]["plan"]["grants"][0]["refusal"]["limit"] == "PoolGPUs"


def test_another_pool_and_contradicting_options_are_refused(folder: Path) -> None:
    code, _, error = run("explain", folder, "--pool", "a100")
    assert (code, error) == (1, "outrider explain: no decision matches; try another --policy, --pool or --at\n")
    code, _, error = run("explain", folder, "--pool", "h100", "--policy", "chat/qwen")
    assert (code, error) == (
        2,
        "outrider explain: --pool and --policy both say what is shown; give one of them\n",
    )


def test_the_policies_are_explained_as_without_a_pool(folder: Path) -> None:
    code, out, _ = run("explain", folder, "--policy", "chat/qwen")
    assert code == 0
    assert "pool h100" not in out


def test_redecide_counts_and_checks_the_decisions_of_pools(folder: Path) -> None:
    code, out, _ = run("redecide", folder)
    assert (code, out) == (0, "56 decisions, 0 different\n")
    file = next(each for each in folder.glob("decisions-*.jsonl") if '"allocation"' in each.read_text())
    lines = file.read_text().splitlines()
    data = json.loads(lines[-1])
    data["plan"]["standby_nodes"] = 17
    file.write_text("\n".join([*lines[:-1], json.dumps(data)]) + "\n")
    code, out, _ = run("redecide", folder)
    assert code == 1
    assert f"{file}:{len(lines)}: pool h100\n  logged standby_nodes: 17\n  again standby_nodes: 0\n" in out
