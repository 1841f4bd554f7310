"""The commands in the README work as they stand there. What needs a cluster is left to the real-cluster suite."""

import re
import shlex
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from autoscaler.cli import GROUP, app
from crds.kinds import SCALING_POLICY
from crds.workload import Workload

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
LINES = [line[2:] for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
OFFLINE = [line.partition("|")[0].partition("#")[0].strip() for line in LINES if line.startswith(".venv/bin/outrider")]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(line, marks=[pytest.mark.slow] if re.search("replay|backtest", line) else [])  # 5 to 20 s
        for line in OFFLINE
        if "decisions" not in line
    ],
)
def test_an_offline_command_does_what_it_says(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    _, *arguments = shlex.split(line)
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert done.output.strip()


def test_every_command_exists() -> None:
    """What each one's `--help` says is checked in tests/test_cli.py."""
    assert {line.split()[1] for line in OFFLINE} <= {entry.name for entry in entry_points(group=GROUP)}


def test_the_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {line.split()[1] for line in LINES if line.startswith("make ")}
    assert asked == {"demo", "test"}
    assert asked <= targets
    assert {"setup", "demo", "test", "lint", "generate", "bench", "clean"} <= targets


def test_the_policy_is_the_shipped_example_and_valid() -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert yaml.safe_load(shown) == yaml.safe_load((ROOT / "deploy/examples/scalingpolicy.yaml").read_text())
    assert isinstance(SCALING_POLICY.resolve(yaml.safe_load(shown)), Workload)
    assert len(shown.partition("spec:")[2].strip().splitlines()) < 10
