"""Which runs have a score, and what is said of those that have none."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from replay.commands.demo import command
from replay.contenders.outrider import Outrider
from replay.demo import processes, show
from replay.demo.result import Result
from replay.demo.simulated import NotReady
from replay.driver import Outcome, run
from tests.replay.demo.live import the_scenario, the_workload

APP = typer.Typer()
APP.command()(command)


@pytest.fixture(scope="module")
def whole() -> Result:
    scenario, workload = the_scenario(duration="2m"), the_workload()
    outcome = run(scenario, Outrider(workload.policy, workload.cold_start, scenario.past))
    return Result(outcome, 120.0, stopped=False, decisions=8, missed_scrapes_share=0.01, mean_speed=24.5)


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """The command over a run with this result."""

    def invoke(result: Result, *options: str) -> Any:
        monkeypatch.setattr(show, "play", lambda *_, **__: result)
        return CliRunner().invoke(
            APP, ["--trace", "sample:office-morning", "--duration", "2m", "--keep", str(tmp_path / "kept"), *options]
        )

    return invoke


def test_a_run_at_the_limit_counts(whole: Result, demo: Callable[..., Any]) -> None:
    assert whole.problem is None
    ran = demo(whole)
    assert ran.exit_code == 0
    assert "Outrider meets the SLO, 99% within 5 s: 100.00%" in ran.output


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"decisions": 0}, "the controller made no decision, so the score would not be its own"),
        (
            {"missed_scrapes_share": 0.0234},
            "2.3% of the controller's scrapes came too late to count (at most 1% may): this machine",
        ),
    ],
)
def test_a_run_that_does_not_count_is_no_result(
    whole: Result, demo: Callable[..., Any], changes: dict[str, Any], why: str
) -> None:
    ran = demo(replace(whole, **changes))
    assert ran.exit_code == 1
    assert ran.stdout == ""
    assert ran.stderr.startswith(f"outrider demo: no result: {why}")
    assert "\nLet other work end first, or try --speed 12.\nAll logs are in " in ran.stderr
    as_json = demo(replace(whole, **changes), "--json")
    assert as_json.exit_code == 1
    said = json.loads(as_json.stdout)
    assert said["problem"].startswith(why)
    assert (said["partial"], said["suggested_speed"], said["stopped"]) == (None, 12, False)


def test_a_run_that_was_stopped_has_a_partial_score(whole: Result, demo: Callable[..., Any]) -> None:
    ran = demo(replace(whole, played_seconds=90.0, stopped=True))
    assert ran.exit_code == 130
    first, score, cost = ran.stdout.splitlines()
    assert first == "Stopped after 1m30s of 2m. Partial score of Outrider:"
    assert score.startswith("  100.00% of 451 requests")
    assert score.endswith(" waited at most 5 s (the SLO asks for 99%)")
    assert "GPU-hours, $" in cost
    said = json.loads(demo(replace(whole, stopped=True), "--json").stdout)
    assert isinstance(whole.outcome, Outcome)
    assert said["partial"]["attainment"] == whole.outcome.attainment


def test_a_run_that_was_stopped_before_the_traffic_has_none(whole: Result, demo: Callable[..., Any]) -> None:
    ran = demo(replace(whole, played_seconds=0.0, decisions=0, stopped=True))
    assert ran.exit_code == 130
    assert (ran.stdout, ran.stderr) == ("", "outrider demo: no result: the traffic had not begun.\n")


def test_the_suggested_speed_is_one_that_the_command_takes(whole: Result) -> None:
    assert replace(whole, mean_speed=0.5).suggested_speed == 1


def test_a_controller_that_is_never_ready_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pair without its processes: what the cluster's process sends is scripted."""
    pair = processes.Pair.__new__(processes.Pair)
    messages = iter([NotReady(180.0)])

    class Cluster:
        def receive(self) -> Any:
            return next(messages)

    (tmp_path / processes.CONTROLLER_LOG).write_text("still importing\n")
    monkeypatch.setattr(pair, "_cluster", Cluster(), raising=False)
    monkeypatch.setattr(pair, "_play", type("Play", (), {"folder": tmp_path}), raising=False)
    with pytest.raises(processes.DiedError, match=r"not ready to decide after 180 s\n[^\n]*\n  still importing"):
        list(pair.frames(watch_controller=False))
