"""`outrider cost`: what GPUs were for and what they cost, by workload, owner, pool and day."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoscaler.records.writer import Recorder
from policies.engine import step
from policies.model import Policy, State
from policies.pool import Ask, PoolInputs, PoolState, StandbyPhase, StandbyUnit
from policies.pool_step import pool_step
from tests.autoscaler.records.logs import run
from tests.support.pool_logs import POOL, START, an_ask, pool_inputs
from tests.support.worlds import Fleet, a_policy

HOUR = 240  # ticks
POLICY = replace(a_policy(), price_per_gpu_hour=3.0, gpus_per_replica=2)


def record_policy(recorder: Recorder, policy: Policy, ticks: int, fleet: Fleet | None = None) -> Fleet:
    """Two replicas serve all the time; nobody acts on the decisions."""
    fleet, state = fleet or Fleet(), State()
    for _ in range(ticks):
        inputs = fleet.tick(1.0)
        result = step(policy, state, inputs)
        recorder.record(policy, state, inputs, result)
        state = result.state
    return fleet


def record_pool(recorder: Recorder, moments: Iterable[PoolInputs], state: PoolState | None = None) -> PoolState:
    """Every decision of the pool; gives the state after the last."""
    state = state or PoolState()
    for inputs in moments:
        result = pool_step(POOL, state, inputs)
        recorder.record_pool(POOL, state, inputs, result)
        state = result.state
    return state


def hours(count: float, *asks: Ask, since: float = 0.0) -> list[PoolInputs]:
    """Ticks of so many hours."""
    return [pool_inputs(since + 15.0 * tick, *asks) for tick in range(round(count * HOUR) + 1)]


def document(folder: Path, *options: object) -> dict[str, Any]:
    code, out, error = run("cost", folder, "--json", *options)
    assert (code, error) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


def of(found: list[dict[str, Any]], **where: object) -> dict[str, Any]:
    [only] = [each for each in found if all(each[name] == value for name, value in where.items())]
    return only


def test_a_workload_without_a_pool_is_counted_by_its_decisions(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    fleet = record_policy(recorder, POLICY, HOUR + 1)
    recorder.close()
    serving = len(fleet.tick(1.0).supply.ready)  # type: ignore[union-attr]
    only = of(document(tmp_path)["workloads"])
    assert (only["workload"], only["owner"], only["pool"]) == ("chat/qwen", None, None)
    assert only["requested_gpu_hours"] == pytest.approx(2 * serving)
    assert only["usd"] == pytest.approx(3.0 * 2 * serving)
    assert 0.0 < only["used_gpu_hours"] < only["requested_gpu_hours"]


def test_members_are_counted_by_the_account_of_their_pool(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    chat, code = an_ask("chat/qwen", "search", used_gpus=1.5), an_ask("code/llama", "tools", price_per_gpu_hour=1.0)
    state = record_pool(recorder, hours(2.0, chat, code))
    recorder.close()
    found = document(tmp_path)
    qwen, llama = (of(found["workloads"], workload=name) for name in ("chat/qwen", "code/llama"))
    assert (qwen["owner"], qwen["pool"]) == ("search", "h100")
    assert [qwen[key] for key in ("requested_gpu_hours", "used_gpu_hours", "used_share", "usd")] == pytest.approx(
        [4.0, 3.0, 0.75, 8.0]
    )
    assert llama["usd"] == pytest.approx(4.0)
    assert found["total"]["usd"] == pytest.approx(state.account.total.usd)
    pool = of(found["pools"])
    assert pool["owner"] == "platform"
    assert pool["idle_gpu_hours"] == pytest.approx(state.account.total.idle / 3600.0)


def standby_of_an_hour(taken_by: str | None) -> list[PoolInputs]:
    """One node of eight GPUs stands by for an hour; then its pod is gone, and its node is taken or not."""
    asks = an_ask("chat/qwen", "search"), an_ask("code/llama", "tools")
    unit = StandbyUnit("h100-1", "reserved", StandbyPhase.READY, START - 60.0, START - 60.0, "node-1")
    held = [replace(each, standby=(unit,)) for each in hours(1.0, *asks)]
    after = [pool_inputs(3600.0 + 15.0 * tick, *asks) for tick in range(1, 10)]
    return held + [replace(each, replicas_on=(("node-1", taken_by),)) if taken_by else each for each in after]


@pytest.mark.parametrize("taken_by", ["code/llama", None])
def test_standby_is_of_those_who_took_it_and_else_wasted(tmp_path: Path, taken_by: str | None) -> None:
    recorder = Recorder(tmp_path)
    state = record_pool(recorder, standby_of_an_hour(taken_by))
    recorder.close()
    found = document(tmp_path)
    used, wasted = (8.0, 0.0) if taken_by else (0.0, 8.0)
    assert of(found["workloads"], workload="code/llama")["standby_used_gpu_hours"] == pytest.approx(used)
    pool = of(found["pools"])
    assert pool["standby_wasted_gpu_hours"] == pytest.approx(wasted)
    assert pool["standby_open_gpu_hours"] == pytest.approx(0.0)
    rows = [*found["workloads"], *found["pools"]]
    assert sum(each["usd"] for each in rows) == pytest.approx(state.account.total.usd)


def test_a_member_counts_once_beside_its_own_decisions(tmp_path: Path) -> None:
    fleet, state, pooled = Fleet(), State(), PoolState()
    recorder = Recorder(tmp_path)
    for _ in range(60):
        inputs = fleet.tick(1.0)
        at = inputs.now_seconds - START
        of_pool = pool_inputs(at, an_ask("chat/qwen", "search"))
        result = pool_step(POOL, pooled, of_pool)
        recorder.record_pool(POOL, pooled, of_pool, result)
        decided = step(POLICY, state, inputs)
        recorder.record(POLICY, state, inputs, decided)
        state, pooled = decided.state, result.state
    recorder.close()
    only = of(document(tmp_path)["workloads"])
    assert only["pool"] == "h100"
    assert only["usd"] == pytest.approx(dict(pooled.account.workloads)["chat/qwen"].usd)


def test_a_member_of_a_deleted_pool_is_counted_by_its_decisions(tmp_path: Path) -> None:
    """It keeps what it has, which goes on costing: only the minute around the pool's last decision is not counted."""
    recorder, fleet, state = Recorder(tmp_path), Fleet(), State()
    for tick in range(HOUR):
        inputs = fleet.tick(1.0)
        if tick == 0:
            of_pool = pool_inputs(inputs.now_seconds - START, an_ask("chat/qwen", "search"))
            recorder.record_pool(POOL, PoolState(), of_pool, pool_step(POOL, PoolState(), of_pool))
        result = step(POLICY, state, inputs)
        recorder.record(POLICY, state, inputs, result)
        state = result.state
    recorder.close()
    only = of(document(tmp_path)["workloads"], pool=None)
    assert only["requested_gpu_hours"] > 2 * 0.95


def test_days_begin_at_midnight_of_the_zone(tmp_path: Path) -> None:
    """Four hours from 22:26:40 UTC in Berlin's summer."""
    recorder = Recorder(tmp_path)
    record_pool(recorder, hours(4.0, an_ask()))
    recorder.close()
    utc = [each["day"] for each in document(tmp_path)["workloads"]]
    berlin = {each["day"]: each["usd"] for each in document(tmp_path, "--time-zone", "Europe/Berlin")["workloads"]}
    assert utc == ["2026-05-28", "2026-05-29"]
    assert berlin == pytest.approx(
        {"2026-05-28": 4.0 * (93.33 / 60.0), "2026-05-29": 4.0 * (4.0 - 93.33 / 60.0)}, rel=0.01
    )


def test_a_span_of_time_counts_only_what_is_in_it_and_folds_what_is_before(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    record_pool(recorder, hours(3.0, an_ask()))
    recorder.close()
    found = document(tmp_path, "--since", START + 3600.0, "--until", START + 7200.0)
    assert of(found["workloads"])["usd"] == pytest.approx(4.0, rel=0.01)


def test_one_policy_is_shown_without_the_others_and_without_what_is_held_for_all(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    record_pool(recorder, hours(1.0, an_ask("chat/qwen"), an_ask("code/llama")))
    record_policy(recorder, a_policy(name="chat/other"), 20)
    recorder.close()
    found = document(tmp_path, "--policy", "code/llama")
    assert [each["workload"] for each in found["workloads"]] == ["code/llama"]
    assert found["pools"] == []
    assert [each["workload"] for each in document(tmp_path, "--policy", "chat/other")["workloads"]] == ["chat/other"]


def test_several_files_give_what_one_gives(tmp_path: Path) -> None:
    for name, most in (("one", 1 << 30), ("many", 1 << 20)):
        recorder = Recorder(tmp_path / name, most)
        record_pool(recorder, hours(1.0, an_ask("chat/qwen"), an_ask("code/llama")))
        recorder.close()
    assert len(list((tmp_path / "many").iterdir())) > 2
    assert document(tmp_path / "many")["total"] == pytest.approx(document(tmp_path / "one")["total"])
    assert document(tmp_path / "many", tmp_path / "one")["total"] == pytest.approx(document(tmp_path / "one")["total"])


def test_what_was_not_seen_is_counted_up_to_a_day_and_said(tmp_path: Path) -> None:
    fleet = Fleet()
    recorder = Recorder(tmp_path)
    record_policy(recorder, POLICY, 10, fleet)
    fleet.now += 3600.0
    record_policy(recorder, POLICY, 10, fleet)
    fleet.now += 7 * 86_400.0
    record_policy(recorder, POLICY, 10, fleet)
    recorder.close()
    found = document(tmp_path)
    assert found["unseen_seconds"] == pytest.approx(3615.0)
    assert found["uncounted_gaps"] == 1
    _, out, _ = run("cost", tmp_path)
    assert (
        "- Without a decision for over a minute: 1 h 15 s in all, counted as what was held at the end of each." in out
    )
    assert "- Without a decision for over a day: 1 time, not counted." in out


def test_the_table_shows_requested_beside_used_and_sums_up(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    record_pool(recorder, standby_of_an_hour("code/llama"))
    recorder.close()
    code, out, error = run("cost", tmp_path)
    assert (code, error) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert ["search", "chat/qwen", "h100"] in [line[:3] for line in lines]
    assert ["tools", "code/llama", "h100"] in [line[:3] for line in lines]
    assert any("(held for all)" in line for line in out.splitlines())
    assert [line[0] for line in lines if line].count("total") == 1
    _, out, _ = run("cost", tmp_path, "--by", "day", "--by", "owner")
    assert [line.split()[:2] for line in out.splitlines() if line.startswith("2026-05-28 ")][1:] == [
        ["2026-05-28", "platform"],
        ["2026-05-28", "search"],
        ["2026-05-28", "tools"],
    ]


def test_what_cannot_be_used_is_refused(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    record_pool(recorder, hours(0.1, an_ask()))
    recorder.close()
    assert run("cost", tmp_path, "--time-zone", "Mars/Base")[::2] == (
        2,
        "outrider cost: --time-zone 'Mars/Base' is no time zone: write Europe/Berlin or UTC\n",
    )
    assert run("cost", tmp_path, "--policy", "a/b")[::2] == (
        1,
        "outrider cost: no decision matches; try another --policy or time\n",
    )
    [file] = tmp_path.iterdir()
    lines = file.read_text().splitlines()
    data = json.loads(lines[-1])
    data["inputs"]["asks"][0]["price_per_gpu_hour"] = 1e300
    file.write_text("\n".join([*lines[:-1], json.dumps(data)]) + "\n")
    code, _, error = run("cost", tmp_path)
    assert code == 2
    assert f"line {len(lines)} has values that cannot be explained: a cost that is not finite, or of over" in error
