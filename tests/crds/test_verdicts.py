"""`outrider check` judges as a real API server does; tests/e2e/test_crd.py records its answers."""

from typing import Any

import pytest

from crds.v1alpha1.scalingpolicy import RULES
from tests.crds.verdicts import CASES, Case, disagreement, policy, reported


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['path']}-{str(case['value'])[:40]}")
def test_check_and_the_api_server_agree(case: Case) -> None:
    assert not disagreement(case, case["says"], reported(policy(case)))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.at}.{rule.field}-{rule.instead[:20]}")
def test_each_rule_was_broken_once_and_says_the_same_in_both(rule: Any) -> None:
    cases = [case for case in CASES if any(rule.message in said for said in case["says"])]
    assert cases, "add a case that breaks it, and record"
    assert (rule.why, rule.instead) in {(it.why, it.instead) for case in cases for it in reported(policy(case))}
