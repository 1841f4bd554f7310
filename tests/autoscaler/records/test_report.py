"""`outrider report`: from logs to figures, for people and as JSON. Every log here is made by the core from a scripted fleet."""

import json
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from autoscaler.cli import app
from autoscaler.records.comparison.compare import Comparison, Comparisons
from autoscaler.records.comparison.page import show
from autoscaler.records.comparison.plot import plot
from autoscaler.records.comparison.serving import LowestSince
from autoscaler.records.comparison.timeline import BINS, Timeline
from autoscaler.records.reader import files, last_seconds, read, within
from autoscaler.records.writer import Recorder
from crds.notation.timestamps import timestamp
from policies.engine import restarted, step
from policies.log import decisions
from policies.model import Inputs, Mode, Policy, State
from tests.support.worlds import COLD_START, START, Fleet, a_policy

HOUR = 240  # ticks
SHADOW = a_policy(mode=Mode.SHADOW, max_prepared_nodes=0, gpus_per_replica=2, price_per_gpu_hour=1.5)
LEAD_TICKS = 44  # 11 min: 10 min 39 s of p90 lead, to the next tick


def write(folder: Path, policy: Policy, moments: Sequence[Inputs], state: State | None = None) -> State:
    """Decide these moments and log them, as one process does. Gives the state at the end."""
    recorder, state = Recorder(folder), state or State()
    for inputs in moments:
        result = step(policy, state, inputs)
        recorder.record(policy, state, inputs, result)
        state = result.state
    recorder.close()
    return state


def traffic(fleet: Fleet, *rates: tuple[int, float], **changes: Any) -> list[Inputs]:
    """So many ticks of so many requests a second, each; 4 requests a second are 3.6 replicas of demand."""
    return [fleet.tick(rate, **changes) for ticks, rate in rates for _ in range(ticks)]


def report(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["report", *(str(argument) for argument in arguments)])


def document(*arguments: object) -> Any:
    done = report(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def comparisons(folder: Path) -> list[Comparison]:
    found = Comparisons()
    for file in files([folder]):
        for decision in read(file, decisions):
            found.add(decision)
    return found.close()


def only(*arguments: object) -> Any:
    (found,) = document(*arguments)["policies"]
    return found


def test_a_calm_hour_costs_what_was_held(tmp_path: Path) -> None:
    """Four replicas of two GPUs ran for an hour; Outrider would have run what it asked for, tick by tick."""
    write(tmp_path, SHADOW, traffic(Fleet(), (HOUR + 1, 2.0)))
    found = only(tmp_path)
    assert found["policy"] == "chat/qwen"
    assert found["mode"] == "Shadow"
    assert found["from"] == timestamp(START + 15.0)
    assert found["decisions"] == HOUR + 1
    assert found["compared_seconds"] == 3600.0
    assert found["ran"]["gpu_hours"] == pytest.approx(8.0)
    assert found["ran"]["cost"] == pytest.approx(12.0)
    assert 4.0 < found["outrider"]["gpu_hours"] < 8.0
    assert found["outrider"]["cost"] == pytest.approx(1.5 * found["outrider"]["gpu_hours"])
    assert found["ran_shortages"]["count"] == found["outrider_shortages"]["count"] == 0
    assert set(found["series"]["ran_replicas"]) == {4.0}


def test_the_page_names_every_key_of_the_document(tmp_path: Path) -> None:
    write(tmp_path, SHADOW, traffic(Fleet(), (HOUR, 2.0), (HOUR, 8.0)))
    page = (Path(__file__).parents[3] / "docs" / "shadow.md").read_text(encoding="utf-8")

    def keys(data: Any) -> set[str]:
        if isinstance(data, list):
            return {key for item in data for key in keys(item)}
        return {*data, *(key for item in data.values() for key in keys(item))} if isinstance(data, dict) else set()

    assert [key for key in sorted(keys(document(tmp_path))) if f"`{key}`" not in page] == []


def test_a_price_on_the_command_line_replaces_that_of_the_policy(tmp_path: Path) -> None:
    write(tmp_path, SHADOW, traffic(Fleet(), (HOUR + 1, 2.0)))
    found = only(tmp_path, "--price-per-gpu-hour", "3")
    assert found["price_per_gpu_hour"] == 3.0
    assert found["ran"]["cost"] == pytest.approx(24.0)
    assert report(tmp_path, "--price-per-gpu-hour", "nan").exit_code == 2


def test_a_step_of_demand_that_the_lead_is_too_long_for(tmp_path: Path) -> None:
    """Demand doubles beyond what runs and what Outrider holds: its replicas serve one lead after it asked for them."""
    write(tmp_path, SHADOW, traffic(Fleet(), (HOUR, 2.0), (HOUR, 8.0)))
    found = only(tmp_path)
    (ours,) = found["ran_shortages"]["worst"]
    assert ours["start"] == timestamp(START + 15.0 * (HOUR + 1))
    assert ours["seconds"] == 15.0 * (HOUR - 1)  # to the last decision: four replicas never are enough
    assert ours["demand_replicas"] > 7.0
    assert ours["ran_replicas"] == 4
    assert 0.0 <= ours["outrider_short_seconds"] - 15.0 * LEAD_TICKS <= 60.0  # demand is seen whole after a minute
    assert ours["asked_ahead_seconds"] == 0.0
    assert found["ran_shortages"]["covered_by_outrider"] == 0
    assert found["outrider"]["short_seconds"] < found["ran"]["short_seconds"]
    assert found["unknown"]["queue_driven_seconds"] == 0.0  # the fleet has no queue: demand alone decided
    assert "a queue decided its number" not in report(tmp_path).stdout


def test_the_demand_of_an_event_between_two_ticks_is_that_of_the_tick(tmp_path: Path) -> None:
    """30 requests in the first two of 15 seconds are 2 a second, not 15."""
    fleet = Fleet()
    moments = traffic(fleet, (20, 2.0))
    fleet.now -= 13.0
    moments += traffic(fleet, (1, 2.0), on_grid=False)
    fleet.now -= 2.0
    moments += traffic(fleet, (1, 0.0), (19, 2.0))
    write(tmp_path, SHADOW, moments)
    found = only(tmp_path)
    assert found["decisions"] == 41
    assert found["ran_shortages"]["count"] == 0


def test_a_shortage_that_outrider_was_ahead_of(tmp_path: Path) -> None:
    """Demand rises slowly beyond what runs, and a replica more was asked for long before."""
    fleet = Fleet()
    slow = [(4, 2.0 + 4.0 * at / HOUR) for at in range(HOUR)]
    write(tmp_path, SHADOW, traffic(fleet, *slow))
    found = only(tmp_path)
    assert found["ran_shortages"]["count"] == found["ran_shortages"]["covered_by_outrider"] == 1
    assert found["ran_shortages"]["worst"][0]["asked_ahead_seconds"] > 15.0 * LEAD_TICKS
    assert found["outrider"]["short_seconds"] == 0.0
    text = report(tmp_path).stdout
    assert "in time for 1" in text
    assert "more GPU-hours, and been short of demand 0.0% of the time, instead of " in text


def test_what_never_happened_takes_no_sentence(tmp_path: Path) -> None:
    """A calm quarter of an hour, of a policy that prepares no nodes."""
    write(tmp_path, SHADOW, traffic(Fleet(), (60, 2.0)))
    text = report(tmp_path).stdout
    assert "GPU-hours; neither side was ever short of demand." in text
    assert "Queues come from what ran" not in text
    assert "node prepared" not in text


def test_what_is_unknown_is_counted(tmp_path: Path) -> None:
    fleet = Fleet()
    moments = traffic(fleet, (20, 2.0))
    moments += traffic(fleet, (4, 2.0), supply=None)
    moments += traffic(fleet, (4, 2.0), samples=())
    fleet.now += 600.0
    moments += traffic(fleet, (20, 2.0))
    state = write(tmp_path, SHADOW, moments)
    fleet.now += 30.0
    write(tmp_path, SHADOW, traffic(fleet, (20, 2.0)), restarted(SHADOW, COLD_START, state, fleet.now))
    unknown = only(tmp_path)["unknown"]
    assert unknown["gaps"] == 1
    assert unknown["gap_seconds"] == 615.0
    assert unknown["cluster_seconds"] == 60.0
    assert unknown["demand_seconds"] >= 45.0
    assert unknown["restarts"] == 1
    assert unknown["unforecast_decisions"] == 68
    text = report(tmp_path).stdout
    for part in (
        "No decision for over a minute: 1 time,",
        "Replicas unknown: 1 min",
        "Restarts: 1",
        "lead time",
    ):
        assert part in text


def test_what_was_asked_for_before_a_restart_serves_after_it(tmp_path: Path) -> None:
    """KEDA keeps the replicas while Outrider is away, so no replica would have started anew."""
    fleet = Fleet()
    state = write(tmp_path, SHADOW, traffic(fleet, (HOUR, 8.0)))
    again = restarted(SHADOW, COLD_START, state, fleet.now)
    write(tmp_path, SHADOW, traffic(fleet, (20, 8.0)), again)
    found = only(tmp_path)
    assert found["unknown"]["restarts"] == 1
    assert found["series"]["outrider_replicas"][-1] >= 8.0


def test_mode_active_shows_what_was_asked_for(tmp_path: Path) -> None:
    policy = replace(SHADOW, mode=Mode.ACTIVE)
    write(tmp_path, policy, traffic(Fleet(), (HOUR, 2.0), (HOUR, 8.0)))
    found, text = only(tmp_path), report(tmp_path).stdout
    assert found["mode"] == "Active"
    assert "asked for" in text
    assert "would" not in text


def test_each_mode_of_a_policy_is_reported_apart(tmp_path: Path) -> None:
    fleet = Fleet()
    state = write(tmp_path, SHADOW, traffic(fleet, (20, 2.0)))
    write(tmp_path, replace(SHADOW, mode=Mode.ACTIVE), traffic(fleet, (20, 2.0)), state)
    assert [each["mode"] for each in document(tmp_path)["policies"]] == ["Active", "Shadow"]


def test_time_and_policy_select(tmp_path: Path) -> None:
    write(tmp_path / "a", SHADOW, traffic(Fleet(), (HOUR, 2.0)))
    write(tmp_path / "b", replace(SHADOW, name="chat/other"), traffic(Fleet(), (HOUR, 2.0)))
    both = tmp_path / "a", tmp_path / "b"
    assert [each["policy"] for each in document(*both)["policies"]] == ["chat/other", "chat/qwen"]
    assert only(*both, "--policy", "chat/other")["policy"] == "chat/other"
    assert {each["decisions"] for each in document(*both, "--last", "10m")["policies"]} == {41}
    since, until = START + 150.0, timestamp(START + 300.0)
    assert {each["decisions"] for each in document(*both, "--since", since, "--until", until)["policies"]} == {11}
    assert report(*both, "--policy", "chat/none").exit_code == 1


def test_a_log_that_still_grows_and_one_given_twice(tmp_path: Path) -> None:
    write(tmp_path, SHADOW, traffic(Fleet(), (HOUR, 2.0)))
    (file,) = tmp_path.glob("*.jsonl")
    text = file.read_text()
    file.write_text(text[:-40])
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / file.name).write_text(text)
    assert only(file)["decisions"] == HOUR - 1
    found = only(file, copy)
    assert found["decisions"] == HOUR
    assert found["unknown"]["repeated_decisions"] == HOUR - 2


def test_only_the_files_that_are_asked_for_are_read(tmp_path: Path) -> None:
    recorder, state = Recorder(tmp_path, max_bytes=8 * 180_000), State()
    for inputs in traffic(Fleet(), (HOUR, 2.0)):
        result = step(SHADOW, state, inputs)
        recorder.record(SHADOW, state, inputs, result)
        state = result.state
    recorder.close()
    found = files([tmp_path])
    assert len(found) > 4
    assert last_seconds(found) == START + 15.0 * HOUR
    assert within(found, START + 15.0 * HOUR, None) == found[-1:]
    assert within(found, None, START + 15.0) == found[:1]
    assert within(found, None, None) == found
    head, *lines = found[1].read_text().splitlines()
    found[1].write_text("\n".join([head, *lines[:2], "not read", *lines[2:]]) + "\n")
    assert report(tmp_path).exit_code == 2
    assert only(tmp_path, "--last", "5m", "--policy", "chat/qwen")["decisions"] == 21


def test_the_last_decision_is_that_of_any_folder(tmp_path: Path) -> None:
    """The log that starts last is not the one that ends last."""
    write(tmp_path / "a", SHADOW, traffic(Fleet(), (HOUR, 2.0)))
    late = Fleet()
    late.now += 600.0
    write(tmp_path / "b", replace(SHADOW, name="chat/other"), traffic(late, (20, 2.0)))
    found = files([tmp_path / "a", tmp_path / "b"])
    assert found[-1].parent.name == "b"
    assert last_seconds(found) == START + 15.0 * HOUR


def test_several_policies_begin_with_one_table(tmp_path: Path) -> None:
    write(tmp_path / "a", SHADOW, traffic(Fleet(), (HOUR, 2.0)))
    write(tmp_path / "b", replace(SHADOW, name="chat/other", mode=Mode.ACTIVE), traffic(Fleet(), (HOUR, 2.0)))
    first, *_ = report(tmp_path / "a", tmp_path / "b").stdout.split("\n\n")
    assert [line.split()[:2] for line in first.splitlines()[-2:]] == [["chat/other", "Active"], ["chat/qwen", "Shadow"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--last", "1 day"], "--last '1 day' is not a duration like 90m, 24h or 7d"),
        (["--since", "yesterday"], "'yesterday' is not a time"),
        (["--since", "0", "--last", "1h"], "--last and --since both set the start"),
    ],
)
def test_options_that_cannot_be_used(tmp_path: Path, arguments: list[str], message: str) -> None:
    write(tmp_path, SHADOW, traffic(Fleet(), (4, 2.0)))
    done = report(tmp_path, *arguments)
    assert done.exit_code == 2
    assert message in done.stderr


def test_a_log_of_an_older_format_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "decisions-1.jsonl").write_text('{"kind":"header","format":2,"platform":"x"}\n{}\n')
    done = report(tmp_path)
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert "format 2" in done.stderr


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("inputs", "now_seconds", 1e300),
        ("inputs", "now_seconds", -1e18),
        ("demand", "replicas", 1e308),
        ("demand", "replicas", -1.0),
        ("demand", "work_seconds", 1e308),
    ],
)
def test_a_value_that_means_nothing_is_refused_by_its_line(tmp_path: Path, part: str, key: str, value: float) -> None:
    write(tmp_path, SHADOW, traffic(Fleet(), (4, 2.0), (2, 2.0), waiting=9.0))
    (file,) = tmp_path.glob("*.jsonl")
    *lines, last = file.read_text().splitlines()
    data = json.loads(last)
    data[part][key] = value
    file.write_text("\n".join([*lines, json.dumps(data)]) + "\n")
    for arguments in ([], ["--json"]):
        done = report(tmp_path, *arguments)
        assert done.exit_code in (0, 2)
        assert done.exception is None or isinstance(done.exception, SystemExit)
        assert done.exit_code == 0 or f"line {len(lines) + 1} has values that cannot be explained" in done.stderr


def test_logs_without_a_decision(tmp_path: Path) -> None:
    (tmp_path / "decisions-1.jsonl").write_text("")
    for arguments in ([], ["--last", "1h"]):
        assert report(tmp_path, *arguments).exit_code in (1, 2)
    write(tmp_path, SHADOW, traffic(Fleet(), (1, 2.0)))
    assert "Nothing to compare yet" in report(tmp_path).stdout


def test_no_line_is_longer_than_the_terminal(tmp_path: Path) -> None:
    write(tmp_path, SHADOW, traffic(Fleet(), (HOUR, 2.0), (HOUR, 8.0), (HOUR, 3.0)))
    compared = comparisons(tmp_path)
    for columns in (60, 100, 160):
        output = StringIO()
        show(Console(file=output, width=columns, force_terminal=True, color_system=None), compared)
        lines = output.getvalue().splitlines()
        assert max(map(len, lines)) <= columns
        assert any("░" in line for line in lines)


def test_the_plot_is_ascii_where_the_terminal_is(tmp_path: Path) -> None:
    write(tmp_path, SHADOW, traffic(Fleet(), (HOUR, 2.0)))
    (compared,) = comparisons(tmp_path)
    lines = [line.plain for line in plot(compared.timeline, 80, unicode=False)]
    assert all(line.isascii() for line in lines)
    assert [line[:5].strip() for line in lines if line[:5].strip()] == ["6", "4", "2", "0"]


def test_a_long_log_keeps_a_bounded_series() -> None:
    timeline = Timeline(START)
    for at in range(20_000):
        timeline.add(START + 15.0 * at, 15.0, 2.0, at // 10_000, 3.0)
    assert timeline.bins <= BINS
    assert timeline.bin_seconds == 15.0 * 64
    assert timeline.ran.mean(0, timeline.bins) == pytest.approx(0.5)
    assert timeline.ran.mean(0, 1) == 0.0


def test_the_lowest_over_a_window_is_that_of_every_moment_in_it() -> None:
    chance, lowest = Random(1), LowestSince()
    steps: list[int] = []
    for at in range(300):
        steps.append(chance.randint(1, 9))
        lowest.add(float(at), steps[-1])
        assert lowest.over(float(at), 7.0) == min(steps[max(0, at - 7) :])
