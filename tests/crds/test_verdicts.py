"""`outrider check` judges as a real API server does; tests/e2e/test_crd.py records its answers."""

from typing import Any

import pytest

from tests.crds.verdicts import TABLES, Case, Table, disagreement, reported


@pytest.mark.parametrize(
    ("table", "case"),
    [
        pytest.param(table, case, id=f"{table.kind.name}-{case['path']}-{str(case['value'])[:40]}")
        for table in TABLES
        for case in table.cases
    ],
)
def test_check_and_the_api_server_agree(table: Table, case: Case) -> None:
    assert not disagreement(table.kind, case, case["says"], reported(table.resource(case)))


@pytest.mark.parametrize(
    ("table", "rule"),
    [
        pytest.param(table, rule, id=f"{table.kind.name}-{rule.at}.{rule.field}-{rule.instead[:20]}")
        for table in TABLES
        for rule in table.kind.rules
    ],
)
def test_each_rule_was_broken_once_and_says_the_same_in_both(table: Table, rule: Any) -> None:
    cases = [case for case in table.cases if any(rule.message in said for said in case["says"])]
    assert cases, "add a case that breaks it, and record"
    assert (rule.why, rule.instead) in {(it.why, it.instead) for case in cases for it in reported(table.resource(case))}
