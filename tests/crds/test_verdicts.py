"""`resolve` judges as the API server does: its own verdicts are recorded by tests/crds/apiserver/main.go."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from crds.resolve import resolve
from crds.rules import RULES

RECORDED = json.loads((Path(__file__).parent / "apiserver" / "verdicts.json").read_text(encoding="utf-8"))
# What the API server cannot know, or does before it looks at the schema: names, and pruning what it does not know.
ONLY_OFFLINE = ("no such time zone", "it overlaps", "there is no such field", "not a DNS name")


def policy(case: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = copy.deepcopy(RECORDED["policy"])
    *parents, last = case["path"].split(".")
    place = document
    for name in parents:
        place = place.setdefault(name, {})
    place[last] = case["value"]
    return document


@pytest.mark.parametrize("case", RECORDED["cases"], ids=lambda case: f"{case['path']}-{str(case['value'])[:40]}")
def test_check_and_the_api_server_agree(case: dict[str, Any]) -> None:
    found = resolve(policy(case))
    problems = found if isinstance(found, list) else []
    if case["path"].startswith("metadata") or not case["says"]:
        problems = [it for it in problems if not it.why.startswith(ONLY_OFFLINE)]
    assert bool(problems) == bool(case["says"]), case["says"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.at}.{rule.field}-{rule.instead[:20]}")
def test_each_rule_was_broken_once_and_says_the_same_in_both(rule: Any) -> None:
    cases = [case for case in RECORDED["cases"] if any(rule.message in said for said in case["says"])]
    assert cases, "add a case that breaks it, and record"
    told = {(it.why, it.instead) for case in cases for it in resolve(policy(case))}  # type: ignore[union-attr]
    assert (rule.why, rule.instead) in told
