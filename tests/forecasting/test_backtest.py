"""The walk forward, and the command that shows it."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

from forecasting.backtest import backtest
from forecasting.models import FAMILIES
from forecasting.series import Series
from replay.commands.backtest import command
from tests.forecasting.traffic import LAW, minutes, wave

app = Typer()
app.command()(command)


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def test_families_are_scored_over_the_same_forecasts() -> None:
    """1 to 2 s, most of it eight fits: a seasonal family needs half a day of minutes to be refused or taken."""
    shares: list[float] = []
    result = backtest(minutes(wave(0.5)), LAW, shares.append)
    by_family = {score.family: score for score in result.scores}
    assert list(by_family) == ["naive", *(family.name for family in FAMILIES), "chosen"]
    assert result.forecasts == 480 - 10
    assert by_family["naive"].skill == 0.0
    assert by_family["autoreg"].skill > 0.05
    assert by_family["seasonal"].refusals == 8
    assert by_family["seasonal"].skill == 0.0
    assert by_family["chosen"].skill > 0.05
    assert all(np.isfinite(score.worth.gpu_hours) for score in result.scores)
    assert 0.0 <= result.proven_share < 1.0
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_forecasts_that_meet_a_gap_are_not_scored() -> None:
    values = wave(0.2)
    values[150:160] = np.nan
    result = backtest(minutes(values), LAW)
    assert result.forecasts == 192 - 10 - 10 - 10
    assert all(np.isfinite(score.loss_replicas).all() for score in result.scores)


def test_a_gap_may_last_hours_but_not_a_week() -> None:
    def across(steps: int) -> Series:
        return minutes(np.concatenate([wave(0.1), np.full(steps, np.nan), wave(0.1)]))

    result = backtest(across(400), LAW)
    assert result.forecasts == 144 - 10
    assert all(np.isfinite(score.loss_replicas).all() for score in result.scores)
    with pytest.raises(ValueError, match="a gap of more than 7 days"):
        backtest(across(7 * 1440 + 1), LAW)


def test_a_few_minutes_are_refused() -> None:
    with pytest.raises(ValueError, match="half an hour"):
        backtest(minutes(wave(0.01)), LAW)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    lines = ["bin_start_s,bin_s,requests,prompt_tokens,output_tokens"]
    counts = np.random.default_rng(1).poisson(60, size=240)
    lines += [f"{60 * at},60,{count},{count * 800},{count * 200}" for at, count in enumerate(counts.tolist())]
    path = tmp_path / "small.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_command_prints_a_table(trace: Path) -> None:
    code, out, _ = run(str(trace))
    assert code == 0
    assert "small: " in out
    assert "no forecast is used" in out
    assert out.index("saved") < out.index("skill")
    assert all(family in out for family in ("naive", "autoreg", "seasonal", "chosen"))


@pytest.mark.slow  # importing statsmodels takes 2 s
def test_the_command_gives_the_errors_of_the_skills(trace: Path) -> None:
    assert "±" in run(str(trace), "--errors")[1]
    families = json.loads(run(str(trace), "--errors", "--json")[1])["small"]["families"]
    assert families["naive"]["skill_error"] == 0.0
    assert 0.0 < families["autoreg"]["skill_error"] < 0.2


def test_the_command_prints_one_json_document(trace: Path) -> None:
    code, out, _ = run(str(trace), "--json", "--scale", "2")
    assert code == 0
    found = json.loads(out)["small"]
    assert {"saved_gpu_hours", "saved_share", "days"} <= set(found)
    assert found["mean_replicas"] == pytest.approx(2 * (800 / 2500 + 200 * 0.0025), rel=0.05)
    assert np.array(found["families"]["chosen"]["loss_replicas"]).shape == (3, 3)


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (["missing.parquet"], "missing.parquet"),
        (["x.csv", "--profile", "8b-abacus"], "8b-abacus"),
    ],
)
def test_bad_input_ends_with_exit_code_2_and_its_name(arguments: list[str], reported: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert reported in err


def test_a_trace_that_is_too_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "short.csv"
    path.write_text("bin_start_s,bin_s,requests,prompt_tokens,output_tokens\n0,60,1,1,1\n60,60,1,1,1\n")
    code, _, err = run(str(path))
    assert code == 2
    assert "half an hour" in err
