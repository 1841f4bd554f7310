"""The tables of good and bad resources, each with a real API server's answer to `kubectl apply`.

`OUTRIDER_RECORD=1 make e2e E2E="-k verdicts"` writes the answers again; a new case needs a line with "path" and "value" first.
"""

import copy
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from crds.inspection import inspect
from crds.kinds import GPU_POOL, SCALING_POLICY, Kind
from crds.resolve.problems import Problem

Case = dict[str, Any]
# What no schema can check: which time zones and days there are, and that two windows meet.
ONLY_OFFLINE = ("no such time zone", "it overlaps")


@dataclass(frozen=True)
class Table:
    """The cases of one kind: each is a change of one member of a good resource."""

    kind: Kind[Any, Any]
    file: Path

    @cached_property
    def recorded(self) -> dict[str, Any]:
        return dict(json.loads(self.file.read_text(encoding="utf-8")))

    @property
    def cases(self) -> list[Case]:
        return list(self.recorded["cases"])

    def resource(self, case: Case, namespace: str = "llm") -> dict[str, Any]:
        """The good resource with the case's one change."""
        document: dict[str, Any] = copy.deepcopy(self.recorded["resource"])
        if self.kind.scope == "Namespaced":
            document["metadata"]["namespace"] = namespace
        *parents, last = case["path"].split(".")
        place: Any = document
        for name in parents:
            place = place[int(name)] if name.isdigit() else place.setdefault(name, {})
        place[last] = case["value"]
        return document

    def write(self, version: str, says: list[list[str]]) -> None:
        """Record; each case has a line of its own, so that a change of one is a change of one line."""
        cases = [{**case, "says": said} for case, said in zip(self.cases, says, strict=True)]
        lines = ",\n".join(f"  {json.dumps(case, ensure_ascii=False)}" for case in cases)
        head = f'{{"kubernetes": "{version}",\n "resource": {json.dumps(self.recorded["resource"])},\n "cases": [\n'
        self.file.write_text(f"{head}{lines}\n]}}\n", encoding="utf-8")


HERE = Path(__file__).parent
TABLES = (Table(SCALING_POLICY, HERE / "verdicts.json"), Table(GPU_POOL, HERE / "pool_verdicts.json"))


def reported(document: dict[str, Any]) -> list[Problem]:
    """What `outrider check` reports for it in a file, except for what only that can know."""
    [found] = inspect("policy.yaml", json.dumps(document))
    return [problem for _, problem in found.problems if not problem.why.startswith(ONLY_OFFLINE)]


def disagreement(kind: Kind[Any, Any], case: Case, says: list[str], problems: list[Problem]) -> str:
    """How the server's answer differs from ours, in the verdict or in the member that it names; empty if they agree."""
    paths = [problem.path for problem in problems]
    places = [_place(said) for said in says]
    # We do not report a rule that is broken only because of a mistake elsewhere: one problem for one mistake.
    own = [_place(said) for said in says if not any(rule.message in said for rule in kind.rules)] or places
    agreed = bool(paths) == bool(places)
    agreed &= all(any(_meet(path, place) for place in places) for path in paths)
    agreed &= all(any(_meet(path, place) for path in paths) for place in own)
    return "" if agreed else f"{case['path']} = {json.dumps(case['value'])}: the server: {says}; we: {problems}"


def _place(said: str) -> str:
    said = said.replace("Go struct field ObjectMeta.", "Go struct field metadata.")
    undecoded = re.search(r'unknown field "(.*?)"|Go struct field (\S+)', said)
    return undecoded[undecoded.lastindex or 0] if undecoded else said.partition(": ")[0]


def _meet(path: str, place: str) -> bool:
    """Whether both name one member, or one of them the object around the other's."""
    shorter, longer = sorted((path, place), key=len)
    return longer == shorter or longer.startswith((f"{shorter}.", f"{shorter}["))
