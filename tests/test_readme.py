"""The commands in the README work as they stand there. What needs a cluster is left to the real-cluster suite."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from crds.resolve import resolve
from crds.workload import Workload

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
LINES = [line[2:] for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
OFFLINE = [line.partition("|")[0].partition("#")[0].strip() for line in LINES if line.startswith(".venv/bin/outrider")]


def outrider(line: str) -> subprocess.CompletedProcess[str]:
    program, *arguments = shlex.split(line)
    assert program == ".venv/bin/outrider"
    command = [sys.executable, "-m", "autoscaler.cli", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(line, marks=[pytest.mark.slow] if "backtest" in line else [])  # 20 s
        for line in OFFLINE
        if "decisions" not in line
    ],
)
def test_an_offline_command_does_what_it_says(line: str) -> None:
    done = outrider(line)
    assert done.returncode == 0, done.stderr
    assert (done.stdout + done.stderr).strip()


def test_every_command_exists() -> None:
    for line in OFFLINE:
        assert outrider(" ".join(line.split()[:2]) + " --help").returncode == 0, line


def test_make_knows_its_targets() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {line.split()[1] for line in LINES if line.startswith("make ")}
    assert asked == {"demo", "test"}
    assert asked <= targets
    assert {"setup", "demo", "test", "lint", "generate", "bench", "clean"} <= targets


def test_the_policy_is_the_shipped_example_and_valid() -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert yaml.safe_load(shown) == yaml.safe_load((ROOT / "deploy/examples/scalingpolicy.yaml").read_text())
    assert isinstance(resolve(yaml.safe_load(shown)), Workload)
    assert len(shown.partition("spec:")[2].strip().splitlines()) < 10
