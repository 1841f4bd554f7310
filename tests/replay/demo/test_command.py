"""The command refuses bad input before it starts anything. The parity tests cover whole runs."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from replay.commands.demo import command
from tests.replay.demo.live import POLICY_FILE

APP = typer.Typer()
APP.command()(command)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--trace", "sample:nowhere"], "no sample 'nowhere'; available: office-morning"),
        (["--trace", "nowhere.parquet"], "nowhere.parquet"),
        (["--duration", "soon"], "--duration 'soon' is not a duration"),
        (["--policy", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["--speed", "31"], "--speed"),
    ],
)
def test_bad_input_is_reported(options: list[str], why: str) -> None:
    result = CliRunner().invoke(APP, options)
    assert result.exit_code == 2
    assert why in result.output


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    result = CliRunner().invoke(APP, ["--keep", str(tmp_path)])
    assert result.exit_code == 2
    assert "is not empty; name a new folder" in result.output


def test_a_policy_that_the_cluster_cannot_serve(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY_FILE.read_text().replace("target: {name: llm}", "target: {name: llm, kind: StatefulSet}"))
    result = CliRunner().invoke(APP, ["--policy", str(path)])
    assert result.exit_code == 2
    assert "Deployments only" in result.output
