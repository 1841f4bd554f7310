"""Reads the controller's decision log while it is being written: decisions, their reasons and the forecasts used."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from policies.codec import build
from policies.explain import explain, reasons
from policies.model import Fan, Plan
from policies.pool import PoolPlan
from policies.pool_explain import claim_sentence
from policies.supply import Rung


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision. `sentence` explains it in short, or is None if no number changed."""

    at_seconds: float
    plan: Plan
    fan: Fan | None
    sentence: str | None
    policy: str = ""


@dataclass(frozen=True, slots=True)
class PoolEntry:
    """One decision of a pool. `sentence` says what changed, or is None if nothing did."""

    at_seconds: float
    pool: str
    sentence: str | None


class Journal:
    """Follows the log files of a folder, one after another."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = ""
        self._file: TextIO | None = None
        self._partial = ""  # the last line while it is incomplete
        self._plans: dict[str, Plan] = {}  # by policy
        self._said: dict[str, tuple[str, ...]] = {}  # by pool

    def new_entries(self) -> list[Entry | PoolEntry]:
        """The decisions that have been written since the last call."""
        entries: list[Entry | PoolEntry] = []
        for line in self._lines():
            data = json.loads(line)
            if data["kind"] == "allocation":
                entries.append(self._of_pool(data["name"], build(PoolPlan, data["plan"])))
            if data["kind"] != "decision" or data["plan"] is None:
                continue
            plan, fan, name = build(Plan, data["plan"]), data["inputs"]["fan"], data["name"]
            found = entry(plan, None if fan is None else build(Fan, fan), self._plans.get(name))
            entries.append(replace(found, policy=name))
            self._plans[name] = plan
        return entries

    def _of_pool(self, name: str, plan: PoolPlan) -> PoolEntry:
        said = of_pool(name, plan)
        new = [each for each in said if each not in self._said.get(name, ())]
        self._said[name] = said
        return PoolEntry(plan.at_seconds, name, " ".join(new) or None)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _lines(self) -> list[str]:
        whole = self._read()
        for newer in sorted(file for file in self._folder.glob("decisions-*.jsonl") if file.name > self._name):
            self.close()
            self._file, self._name, self._partial = newer.open(encoding="utf-8"), newer.name, ""
            whole += self._read()
        return whole

    def _read(self) -> list[str]:
        if self._file is None:
            return []
        *whole, self._partial = (self._partial + self._file.read()).split("\n")
        return whole


def of_pool(name: str, plan: PoolPlan) -> tuple[str, ...]:
    """What a pool does beside granting all that is asked, in sentences without the numbers that change all the time."""
    said = [sentence for each in plan.claims if (sentence := claim_sentence(each))]
    refused = [each.workload for each in plan.grants if each.refusal is not None]
    if refused:
        said.append(f"Pool {name} is at its limit for {', '.join(refused)}.")
    return tuple(said)


def entry(plan: Plan, fan: Fan | None, before: Plan | None) -> Entry:
    """A decision after the one before."""
    return Entry(plan.at_seconds, plan, fan, brief(plan, before) if plan.differs_from(before) else None)


def brief(plan: Plan, before: Plan | None) -> str:
    """What changed and the rule that decided it; `outrider explain` has what that overruled as well."""
    if before is None or plan.desired_replicas != before.desired_replicas:
        return explain(_replicas_alone(plan), None if before is None else _replicas_alone(before))
    nodes = "1 node" if plan.prepared_nodes == 1 else f"{plan.prepared_nodes} nodes"
    return f"Prepares {nodes} ({before.prepared_nodes} before): {reasons(plan.prepared_reasons[:1])}."


def _replicas_alone(plan: Plan) -> Plan:
    serving = plan.echelon(Rung.SERVING)
    return replace(plan, echelons=(replace(serving, reasons=serving.reasons[:1]),))
