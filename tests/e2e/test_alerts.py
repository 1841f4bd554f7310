"""The alerts of deploy/ fire when they should: Prometheus' own tool evaluates them. No cluster is needed."""

import subprocess
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from tests.deploy import alerts
from tests.e2e import build
from tests.e2e.components import program

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def rule_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The groups of the PrometheusRule as Prometheus reads them."""
    build.build(Console(stderr=True))
    path = tmp_path_factory.mktemp("rules") / "rules.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(alerts.RULES.read_text(encoding="utf-8"))["spec"]))
    return path


def test_promtool_finds_no_fault_in_the_rules(rule_file: Path) -> None:
    said = promtool("check", "rules", "--lint=all", "--lint-fatal", str(rule_file))
    print(said.strip())
    assert f"{len(alerts.rules())} rules found" in said


@pytest.mark.parametrize("alert", alerts.CASES)
def test_an_alert_fires_when_it_should(rule_file: Path, alert: str) -> None:
    path = rule_file.with_name("cases.yaml")
    path.write_text(yaml.safe_dump(alerts.promtool_tests(alert, rule_file)))
    assert "SUCCESS" in promtool("test", "rules", str(path))


def promtool(*arguments: str) -> str:
    done = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
