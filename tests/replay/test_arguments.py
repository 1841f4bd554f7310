"""Traces by their names, and the commands that take them."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer import Typer
from typer.testing import CliRunner

from forecasting import backtest as scoring
from forecasting.series import Series
from replay.commands import backtest, simulate
from replay.commands.arguments import fields, named, part
from replay.scenario.scenario import Scenario
from replay.simcluster import serve
from replay.traces.trace import TraceError
from tests.replay.synthetic_chat import POLICY


def invoke(command: Any, *arguments: str) -> tuple[int, str]:
    app = Typer()
    app.command()(command)
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.stderr


def test_a_sample_comes_with_the_window_worth_playing(tmp_path: Path) -> None:
    trace, begins_seconds, lasts_seconds = named("sample:office-morning")
    assert (trace.name, begins_seconds) == ("office-morning", 7 * 86_400.0)
    assert lasts_seconds == trace.duration_seconds - begins_seconds
    path = tmp_path / "t.csv"
    path.write_text("arrival_s,prompt_tokens,output_tokens\n1,2,3\n9,2,3\n")
    assert named(str(path))[1:] == (0.0, None)


def test_a_name_that_is_no_trace_says_what_is() -> None:
    with pytest.raises(ValueError, match="available: office-morning"):
        named("sample:nights")
    with pytest.raises(ValueError, match="for the shipped sample, write sample:office-morning"):
        named("office-morning")
    with pytest.raises(TraceError, match="cannot be read: No such file"):
        named("gone.csv")


def test_a_start_counts_in_the_part_that_is_shown(tmp_path: Path) -> None:
    trace, start_seconds, lasts_seconds = part("sample:office-morning", start="30m", duration=None)
    assert (start_seconds - 7 * 86_400.0, lasts_seconds) == (1800.0, 360.0)
    assert part("sample:office-morning", start=None, duration="1m")[2] == 60.0
    path = tmp_path / "t.csv"
    path.write_text("arrival_s,prompt_tokens,output_tokens\n1,2,3\n9,2,3\n")
    assert part(str(path), start="5s", duration=None)[1:] == (5.0, None)
    with pytest.raises(ValueError, match=f"--start 1h is too late: {trace.name} lasts 36m"):
        part("sample:office-morning", start="1h", duration=None)


def test_columns_are_named_by_field(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.csv"
    path.write_text("sent,in,out\n1000,2,3\n2000,2,\n5000,2,3\n")
    trace, *_ = named(str(path), columns=["arrival=sent, prompt_tokens = in", "output_tokens=out"], time_unit="ms")
    assert trace.duration_seconds == pytest.approx(5.0)
    assert trace.failed_requests == 1
    assert capsys.readouterr().err == f"warning: {path}: 1 row has no output tokens; failed requests are not played\n"
    with pytest.raises(ValueError, match=r"--columns 'arival=a' does not name one of .* \(nearest: arrival\)"):
        fields(["arival=a"])


def test_backtest_scores_a_shipped_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    scored: list[Series] = []

    def stop(series: Series, *_: object, **__: object) -> None:
        scored.append(series)
        raise ValueError("enough")

    monkeypatch.setattr(scoring, "backtest", stop)
    code, err = invoke(backtest.command, "sample:office-morning")
    assert (code, err) == (2, "outrider backtest: sample:office-morning: enough\n")
    assert len(scored[0].values) == named("sample:office-morning")[0].duration_seconds // 60


def test_backtest_keeps_files_of_one_name_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = "arrival_s,prompt_tokens,output_tokens\n1,2,3\n90,2,3\n"
    paths = [tmp_path / "a" / "monday.csv", tmp_path / "b" / "monday.csv"]
    for path in paths:
        path.parent.mkdir()
        path.write_text(text)
    monkeypatch.setattr(scoring, "backtest", lambda *_, **__: None)
    monkeypatch.setattr(backtest, "document", lambda _: {})
    app = Typer()
    app.command()(backtest.command)
    done = CliRunner().invoke(app, [*map(str, paths), "--json"])
    assert list(json.loads(done.stdout)) == ["monday", str(paths[1])]


def test_backtest_refuses_an_unknown_profile_as_replay_does() -> None:
    code, err = invoke(backtest.command, "sample:office-morning", "--profile", "8b")
    assert code == 2
    assert err.startswith("outrider backtest: --profile '8b' is unknown; choose one of 8b-l4, ")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["sample:nights"], "no sample 'nights'; available: office-morning"),
        (["sample:office-morning", "--start", "45"], "--start '45' is not a duration"),
        (["sample:office-morning", "--scale", "1e-9"], "has no requests"),
        (["gone.csv"], "gone.csv: cannot be read"),
    ],
)
def test_simulate_refuses_in_one_line(arguments: list[str], why: str, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    code, err = invoke(simulate.command, *arguments, "--policy", str(tmp_path / "policy.yaml"))
    assert code == 2
    assert err.startswith("outrider simulate: ")
    assert why in err


def test_simulate_serves_the_hardware_of_the_policys_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Scenario] = []

    def stop(scenario: Scenario, *_: object, **__: object) -> None:
        built.append(scenario)
        raise ValueError("enough")

    monkeypatch.setattr(serve, "SimCluster", stop)
    (tmp_path / "policy.yaml").write_text(POLICY.replace("8b-l4", "8b-h100"))
    for more in ([], ["--replicas", "3"]):
        assert invoke(simulate.command, "--policy", str(tmp_path / "policy.yaml"), *more)[0] == 2
    assert [scenario.hardware.name for scenario in built] == ["8b-h100", "8b-h100"]
    assert [scenario.initial_replicas for scenario in built] == [1, 3]


def test_simulate_refuses_a_policy_with_its_file_and_line() -> None:
    code, err = invoke(simulate.command, "--policy", "none.yaml")
    assert code == 2
    assert err.startswith("none.yaml: cannot be read")
