"""The table of good and bad policies, each with a real API server's answer to `kubectl apply`.

`OUTRIDER_RECORD=1 make e2e E2E="-k verdicts"` writes the answers again; a new case needs a line with "path" and "value" first.
"""

import copy
import json
import re
from pathlib import Path
from typing import Any

from crds.inspection import inspect
from crds.resolve.problems import Problem
from crds.v1alpha1.scalingpolicy import RULES

FILE = Path(__file__).parent / "verdicts.json"
Case = dict[str, Any]
RECORDED: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
CASES: list[Case] = RECORDED["cases"]
# What no schema can check: which time zones there are, and that two windows meet.
ONLY_OFFLINE = ("no such time zone", "it overlaps")


def policy(case: Case, namespace: str = "llm") -> dict[str, Any]:
    """The good policy with the case's one change."""
    document: dict[str, Any] = copy.deepcopy(RECORDED["policy"])
    document["metadata"]["namespace"] = namespace
    *parents, last = case["path"].split(".")
    place = document
    for name in parents:
        place = place.setdefault(name, {})
    place[last] = case["value"]
    return document


def reported(document: dict[str, Any]) -> list[Problem]:
    """What `outrider check` reports for it in a file, except for what only that can know."""
    [found] = inspect("policy.yaml", json.dumps(document))
    return [problem for _, problem in found.problems if not problem.why.startswith(ONLY_OFFLINE)]


def disagreement(case: Case, says: list[str], problems: list[Problem]) -> str:
    """How the server's answer differs from ours, in the verdict or in the member that it names; empty if they agree."""
    paths = [problem.path for problem in problems]
    places = [_place(said) for said in says]
    # We do not report a rule that is broken only because of a mistake elsewhere: one problem for one mistake.
    own = [_place(said) for said in says if not any(rule.message in said for rule in RULES)] or places
    agreed = bool(paths) == bool(places)
    agreed &= all(any(_meet(path, place) for place in places) for path in paths)
    agreed &= all(any(_meet(path, place) for path in paths) for place in own)
    return "" if agreed else f"{case['path']} = {json.dumps(case['value'])}: the server: {says}; we: {problems}"


def write(version: str, says: list[list[str]]) -> None:
    """Record; each case has a line of its own, so that a change of one is a change of one line."""
    cases = [{**case, "says": said} for case, said in zip(CASES, says, strict=True)]
    lines = ",\n".join(f"  {json.dumps(case, ensure_ascii=False)}" for case in cases)
    head = f'{{"kubernetes": "{version}",\n "policy": {json.dumps(RECORDED["policy"])},\n "cases": [\n'
    FILE.write_text(f"{head}{lines}\n]}}\n", encoding="utf-8")


def _place(said: str) -> str:
    said = said.replace("Go struct field ObjectMeta.", "Go struct field metadata.")
    undecoded = re.search(r'unknown field "(.*?)"|Go struct field (\S+)', said)
    return undecoded[undecoded.lastindex or 0] if undecoded else said.partition(": ")[0]


def _meet(path: str, place: str) -> bool:
    """Whether both name one member, or one of them the object around the other's."""
    shorter, longer = sorted((path, place), key=len)
    return longer == shorter or longer.startswith((f"{shorter}.", f"{shorter}["))
