"""Each alert rests on metrics that exist, has cases for promtool (`tests/e2e/test_alerts.py`), and is explained on a page."""

import re
from pathlib import Path

import pytest

from autoscaler.telemetry.metrics import DECLARED
from policies.model import Verdict
from tests.deploy.alerts import CASES, rules
from tests.support.pages import ROOT

PAGE = ROOT / "docs" / "troubleshooting.md"
ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}
LABELS = {metric.name: set(metric.labels) for metric in DECLARED}
QUEUE_TIME = "vllm:request_queue_time_seconds"
VLLM_LABELS = {"engine", "model_name"}
SCRAPE_LABELS = {"job", "namespace", "pod", "endpoint"}
METRIC = re.compile(r"\b(?:outrider_\w+|vllm:\w+|policy:\w+:\w+|up)\b")


def series() -> list[tuple[str, set[str]]]:
    """Every series of every case: its metric, and the names of its labels."""
    texts = {text for cases in CASES.values() for case in cases for text in case.series}
    return [(text.partition("{")[0], set(re.findall(r'(\w+)="', text))) for text in sorted(texts)]


def test_every_expression_uses_metrics_that_exist() -> None:
    known = {*LABELS, f"{QUEUE_TIME}_count", f"{QUEUE_TIME}_bucket", "up", *(rule.get("record") for rule in rules())}
    for rule in rules():
        used = set(METRIC.findall(rule["expr"]))
        assert used, rule
        assert used <= known, rule


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_tried_and_explained(alert: str) -> None:
    rule, page = ALERTS[alert], PAGE.read_text(encoding="utf-8")
    assert {case.fires for case in CASES[alert]} == {True, False}
    assert page.count(f"\n### {alert}\n") == 1
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert rule["annotations"]["runbook"] == f"docs/troubleshooting.md#{alert.lower()}"


def test_no_case_and_no_paragraph_is_of_an_alert_that_is_gone() -> None:
    assert list(CASES) == list(ALERTS)
    assert re.findall(r"^### (Outrider\w+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE) == list(ALERTS)


def test_the_series_of_the_cases_have_the_labels_that_are_exported() -> None:
    for metric, labels in series():
        if metric in LABELS:
            assert labels - SCRAPE_LABELS == LABELS[metric], metric
        elif metric != "up":
            assert labels - SCRAPE_LABELS - {"le"} == VLLM_LABELS, metric


def test_vllm_has_the_histogram(shared: Path) -> None:
    page = (shared / "reference" / "vllm" / "metrics_busy.txt").read_text()
    for metric, labels in (("count", VLLM_LABELS), ("bucket", VLLM_LABELS | {"le"})):
        found = re.search(rf"^{QUEUE_TIME}_{metric}\{{(.*)\}}", page, re.MULTILINE)
        assert found
        assert set(re.findall(r'(\w+)="', found[1])) == labels


def test_every_verdict_is_explained() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("\n## What a reading is worth\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert rows == [verdict.value for verdict in Verdict]
