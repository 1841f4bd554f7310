"""What a GPUPool's status says, and what a restart takes up from it: the day's spend, the totals, and which offerings rest."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from autoscaler.kube.objects import Object, metadata, seconds
from autoscaler.reporting.pool_report import PoolReport
from autoscaler.reporting.readings import Condition
from autoscaler.reporting.status import CONDITION_LIMIT, MESSAGE_LIMIT, conditions
from crds.notation.timestamps import timestamp
from crds.notation.units import quantity
from crds.v1alpha1.gpupool_status import MOST_WORKLOADS
from policies.account import on_node
from policies.errors import NotFiniteError
from policies.explain import duration
from policies.finite import require_pool_state
from policies.pool import Account, Granted, OfferingState, Pool, PoolState, StandbyPhase, Step, Usage
from policies.pool_text import refusal_sentence

IN_FLIGHT = (StandbyPhase.WAITING, StandbyPhase.REQUESTED, StandbyPhase.REFUSED, StandbyPhase.STARTING)
_REASONS = {
    Step.FIRST: "Asked",
    Step.MORE: "Asked",
    Step.HEDGE: "Hedged",
    Step.RESTING: "Resting",
    Step.CLOSED: "Closed",
    Step.FULL: "Full",
}
_USAGE = {
    "servingGpuSeconds": "serving",
    "usedGpuSeconds": "used",
    "startingGpuSeconds": "starting",
    "standbyGpuSeconds": "standby",
    "wastedGpuSeconds": "wasted",
}


def pool_status(report: PoolReport, raw: Object) -> dict[str, Any]:
    """The status of a pool that is followed. What is unknown is null, which removes the field.

    `raw` is the object as the API has it, with the status of before.
    """
    plan, inputs, now = report.plan, report.inputs, report.now_seconds
    generation, before = metadata(raw).get("generation", 0), raw.get("status") or {}
    known = inputs is not None and inputs.standby is not None
    return {
        "observedGeneration": generation,
        "heldGpus": plan.held_gpus if plan else None,
        "grantedGpus": plan.granted_gpus if plan else None,
        "refusedGpus": sum(map(report.refused_gpus, plan.grants)) if plan else None,
        "otherGpus": inputs.other_gpus if inputs else None,
        "standby": f"{report.ready}/{plan.standby_nodes}" if plan and known else None,
        "offering": _asked(report) or before.get("offering"),
        "offerings": [_offering(report, each.name) for each in report.pool.offerings],
        "workloads": _workloads(report) or None,
        "spend": _spend(report),
        "lastDecisionTime": timestamp(plan.at_seconds) if plan else None,
        "message": report.sentence[:MESSAGE_LIMIT],
        "conditions": conditions(_conditions(report), before, generation, now),
    }


def invalid_status(raw: Object, problem: str, now_seconds: float) -> dict[str, Any]:
    """The status of a pool of which no version was ever valid."""
    generation = metadata(raw).get("generation", 0)
    invalid = Condition("Ready", "False", "Invalid", problem[:CONDITION_LIMIT])
    return {
        "observedGeneration": generation,
        "message": problem[:MESSAGE_LIMIT],
        "conditions": conditions([invalid], raw.get("status") or {}, generation, now_seconds),
    }


def restored(pool: Pool, status: Object, saved: PoolState | None) -> PoolState:
    """What a pool remembers after a restart: what was saved, unless its status knows more of what was spent since.

    Then another controller has decided since, and its standby nodes are those that there are. The hold of a restart begins anew.
    Whatever of the status cannot be read counts as not there, and so does a saved state with a number that is not finite: no
    decision could be made from it.
    """
    if saved is not None and not _is_finite(saved):
        saved = None
    account = _account(status.get("spend") or {})
    at, saved_at = account.at_seconds, None if saved is None else saved.account.at_seconds
    if saved is not None and (at is None or (saved_at is not None and saved_at >= at)):
        return replace(saved, standby_peaks=())
    known = {str(each.get("name")): each for each in status.get("offerings") or () if isinstance(each, Mapping)}
    offerings = [_offering_state(each.name, known.get(each.name, {})) for each in pool.offerings]
    return replace(
        saved or PoolState(),
        offerings=tuple(offerings),
        account=account,
        standby_peaks=(),
        standby_nodes=0,
        claims=(),
    )


def _is_finite(state: PoolState) -> bool:
    try:
        require_pool_state(state)
    except NotFiniteError:
        return False
    return True


def _asked(report: PoolReport) -> str | None:
    """The offering that is asked for nodes, the last where it is more than one."""
    claims = () if report.plan is None else report.plan.claims
    asked = [each.offering for each in claims if each.nodes and each.step not in (Step.CLOSED, Step.RESTING)]
    return asked[-1] if asked else None


def _offering(report: PoolReport, name: str) -> dict[str, Any]:
    seen = next((each for each in (report.inputs.offerings if report.inputs else ()) if each.name == name), None)
    state = next((each for each in report.state.offerings if each.name == name), OfferingState(name))
    claim = next((each for each in (report.plan.claims if report.plan else ()) if each.offering == name), None)
    rests = state.resting_until_seconds is not None and state.resting_until_seconds > report.now_seconds
    reason = _REASONS[claim.step] if claim else "Resting" if rests else "Open"
    if claim is None and seen is not None and not seen.open:
        reason = "Closed"
    return {
        "name": name,
        "nodes": (seen.nodes if seen else state.nodes) or 0,
        "inFlight": report.units(name, *IN_FLIGHT),
        "standby": report.units(name, StandbyPhase.READY),
        "restingUntil": _time(state.resting_until_seconds) if rests else None,
        "restSeconds": round(state.rest_seconds),
        "lastRefusalTime": _time(state.refused_seconds),
        "lastNodeTime": _time(state.landed_seconds),
        "reason": reason,
        "message": _message(report, state, name, rests=rests),
    }


def _message(report: PoolReport, state: OfferingState, name: str, *, rests: bool) -> str | None:
    """What an SRE has to know about an offering; None where nothing is special."""
    if rests and state.resting_until_seconds is not None:
        left = duration(state.resting_until_seconds - report.now_seconds)
        return f"It gave no node when it was asked, so it is not asked again for {left}."
    phases = [
        (StandbyPhase.WAITING, "wait for admission"),
        (StandbyPhase.REQUESTED, "wait for a node"),
        (StandbyPhase.STARTING, "wait for a node's GPUs"),
    ]
    found = [f"{count} {what}" for phase, what in phases if (count := report.units(name, phase))]
    return f"Of its standby nodes, {', '.join(found)}." if found else None


def _workloads(report: PoolReport) -> list[dict[str, Any]]:
    grants = () if report.plan is None else report.plan.grants
    found = [(ask.held_replicas * ask.gpus_per_replica, each) for each in grants if (ask := report.ask(each.workload))]
    most = sorted(found, key=lambda one: (-one[0], one[1].workload))[:MOST_WORKLOADS]
    return sorted([_workload(report, each, held) for held, each in most], key=lambda one: str(one["workload"]))


def _workload(report: PoolReport, granted: Granted, held: int) -> dict[str, Any]:
    ask, refusal = report.ask(granted.workload), granted.refusal
    gpus = 1 if ask is None else ask.gpus_per_replica
    return {
        "workload": granted.workload,
        "member": ask.seat.member if ask and ask.seat else "",
        "granted": (granted.grant.replicas + granted.grant.prepared_nodes) * gpus,
        "held": held,
        "refused": report.refused_gpus(granted),
        "reason": refusal.limit.value if refusal else "Granted",
        "message": refusal_sentence(report.pool.name, granted)[:MESSAGE_LIMIT] or None,
    }


def _spend(report: PoolReport) -> dict[str, Any]:
    account, plan = report.state.account, report.plan
    forecast = None if plan is None else plan.projected_usd
    return {
        "usdPerHour": _usd(report.usd_per_hour),
        "usdToday": _usd(account.day_usd),
        "forecastUsdToday": _usd(forecast),
        "day": account.day or None,
        "since": _time(account.since_seconds),
        "until": _time(account.at_seconds),
        "totalUsd": _usd(account.total.usd),
        **{name: str(round(getattr(account.total, field))) for name, field in _USAGE.items()},
    }


def _account(spend: Object) -> Account:
    usage = {field: _number(spend.get(name)) for name, field in _USAGE.items()}
    return Account(
        since_seconds=_seconds(spend.get("since")),
        at_seconds=_seconds(spend.get("until")),
        total=Usage(usd=_number(spend.get("totalUsd")), **usage),
        day=str(spend.get("day") or ""),
        day_usd=_number(spend.get("usdToday")),
    )


def _offering_state(name: str, status: Object) -> OfferingState:
    rest = _number(status.get("restSeconds"))
    state = OfferingState(
        name,
        resting_until_seconds=_seconds(status.get("restingUntil")),
        refused_seconds=_seconds(status.get("lastRefusalTime")),
        landed_seconds=_seconds(status.get("lastNodeTime")),
    )
    return replace(state, rest_seconds=rest) if rest else state


def _conditions(report: PoolReport) -> list[Condition]:
    ready = (
        Condition("Ready", "False", "Invalid", f"{report.problem} Until then, the last valid version stays in force.")
        if report.problem
        else Condition("Ready", "True", "InUse", "The pool is valid and in use.")
    )
    return [ready, *_limits(report), *_standby(report), *_obeyed(report)]


def _limits(report: PoolReport) -> list[Condition]:
    if report.plan is None:
        return []
    if report.refused and (refusal := report.refused[0].refusal):
        return [Condition("WithinLimits", "False", refusal.limit.value, f"{report.refusals}.")]
    return [Condition("WithinLimits", "True", "NothingRefused", "Every member has what it asks for.")]


def _standby(report: PoolReport) -> list[Condition]:
    plan, inputs = report.plan, report.inputs
    if plan is None or inputs is None or not (plan.standby_nodes or report.pool.pool.standby.max_nodes):
        return []
    if inputs.standby is None:
        return [Condition("StandbyReady", "Unknown", "StandbyUnknown", "Which standby nodes there are is not known.")]
    wanted, ready = plan.standby_nodes, report.ready
    on_nodes = sum(map(on_node, inputs.standby))
    text = f"{ready} of {wanted} standby nodes are ready, and {on_nodes - ready} have a node."
    if report.standby_problem:
        problem = report.standby_problem.removesuffix(".")
        return [Condition("StandbyReady", "False", "NotAsDecided", f"{text} {problem[:1].upper()}{problem[1:]}.")]
    if ready < wanted:
        waits = {unit.phase for unit in inputs.standby if unit.phase in IN_FLIGHT}
        order = (StandbyPhase.WAITING, StandbyPhase.REFUSED, StandbyPhase.REQUESTED, StandbyPhase.STARTING)
        reason = next((phase.value for phase in order if phase in waits), "NotAsked")
        return [Condition("StandbyReady", "False", reason, text)]
    return [Condition("StandbyReady", "True", "AsDecided", text)]


def _obeyed(report: PoolReport) -> list[Condition]:
    """Whether nobody else has a hand in what holds standby nodes."""
    if report.plan is None or not report.pool.pool.standby.max_nodes:
        return []
    if report.foreign:
        return [Condition("BuffersObeyed", "False", "AnotherWriter", f"{report.foreign.removesuffix('.')}.")]
    waiting = sum([unit.phase is StandbyPhase.WAITING for unit in report.standby])
    if waiting:
        text = f"Standby pods that admission has not let in, suspended or gated: {waiting}. Let Outrider's Jobs run as they are."
        return [Condition("BuffersObeyed", "False", "NotAdmitted", text)]
    return [Condition("BuffersObeyed", "True", "NobodyElse", "What holds standby nodes is as Outrider has set it.")]


def _time(at_seconds: float | None) -> str | None:
    return None if at_seconds is None or not math.isfinite(at_seconds) else timestamp(at_seconds)


def _seconds(text: object) -> float | None:
    return seconds(text) if isinstance(text, str) else None


def _usd(amount: float | None) -> str | None:
    return None if amount is None or not math.isfinite(amount) else f"{amount:.2f}"


def _number(text: object) -> float:
    """A quantity of a status that is not negative; 0 where it is absent or cannot be read."""
    try:
        found = quantity(text) if isinstance(text, str | int) else 0.0
    except (ValueError, ArithmeticError):
        return 0.0
    return found if math.isfinite(found) and found > 0.0 else 0.0
