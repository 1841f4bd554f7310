"""What a ScalingPolicy's status says, and writing it without overloading the API server.

Not here: Events, and when a status is due for a look (`reporter`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from autoscaler.clock import Clock
from autoscaler.kube import collection
from autoscaler.kube.client import Kube
from autoscaler.kube.objects import Key, Object, metadata
from autoscaler.reporting.grants import granted
from autoscaler.reporting.readings import Condition, metrics_read
from autoscaler.reporting.report import PolicyReport
from crds.notation.timestamps import timestamp
from policies import explain
from policies.cold_start_text import expected, measured
from policies.model import Fan

PERIOD_SECONDS = 30.0  # an unchanged status is written that often, for its lastDecisionTime
MESSAGE_LIMIT = 1024  # characters; the CRD's own limit
CONDITION_LIMIT = 32_768  # likewise, of a condition's message; beyond it the API refuses the whole status


def status_patch(report: PolicyReport, policy: Object, now_seconds: float) -> dict[str, Any]:
    """The status of a policy that is followed. What is unknown is null, which removes the field.

    `policy` is the object as the API has it, with the status of before.
    """
    if report.problem:
        return refused_patch(policy, "Invalid", report.problem, now_seconds)
    if report.target_problem:
        return refused_patch(policy, "TargetFailed", report.target_problem, now_seconds)
    workload, plan, demand, supply = report.workload, report.plan, report.demand, report.supply
    found = (
        Condition("Ready", "True", "TargetFound", "The policy is valid and its target is found.")
        if supply
        else Condition(
            "Ready", "Unknown", "TargetUnknown", "The target's replicas and pods have not been read in the last minute."
        )
    )
    decided = (
        Condition("Decided", "True", plan.replica_reasons[0].rule.value, report.sentence)
        if plan and plan.replica_reasons
        else Condition("Decided", "Unknown", "NotYet", "No decision has been made since the controller started.")
    )
    problem = report.balloon_problem[:MESSAGE_LIMIT]
    prepared = [Condition("NodesPrepared", "False", "NotAsPlanned", problem)] if problem else []
    forecast = [_forecast(report.fan)] if report.fan else []
    pooled = [each for each in [granted(report)] if each is not None]
    return {
        "observedGeneration": workload.generation,
        "mode": workload.mode.value,
        "desiredReplicas": plan.desired_replicas if plan else None,
        "currentReplicas": supply.spec_replicas if supply else None,
        "preparedNodes": plan.prepared_nodes if plan else None,
        "demandReplicas": _rounded(demand.replicas) if demand and demand.replicas is not None else None,
        "waitingRequests": round(demand.waiting) if demand and demand.waiting is not None else None,
        "lastDecisionTime": timestamp(plan.at_seconds) if plan else None,
        "message": report.sentence[:MESSAGE_LIMIT],
        "capabilities": [
            {"name": each.name, "works": each.works, "message": each.sentence[:MESSAGE_LIMIT]}
            for each in report.capabilities
        ]
        or None,
        "conditions": conditions(
            [found, decided, *pooled, metrics_read(report.readings), *forecast, *_cold_start(report), *prepared],
            policy.get("status") or {},
            workload.generation,
            now_seconds,
        ),
    }


def _forecast(fan: Fan) -> Condition:
    status, reason = ("True", "SavesGpuHours") if fan.proven else ("False", "NotProven")
    return Condition("ForecastUsed", status, reason, explain.forecast(fan))


def _cold_start(report: PolicyReport) -> list[Condition]:
    """What a start takes here, and what is not seen of it."""
    now, given = report.cold_start, report.workload.cold_start
    if now is None:
        return []
    missing = " and ".join(report.unseen)
    instead = "cannot be read, so what only they show is taken from spec.coldStart or the profile."
    unseen = f" {missing[:1].upper()}{missing[1:]} {instead}" if missing else ""
    if now == given:
        return [Condition("ColdStartMeasured", "False", "NoStartSeen", expected(given) + unseen)]
    return [Condition("ColdStartMeasured", "True", "StartsSeen", measured(now, given) + unseen)]


def refused_patch(policy: Object, reason: str, sentence: str, now_seconds: float) -> dict[str, Any]:
    """The status of a policy that cannot be followed: it is wrong, or its target is. The last decision stays shown."""
    generation = metadata(policy).get("generation", 0)
    refused = Condition("Ready", "False", reason, sentence)
    return {
        "observedGeneration": generation,
        "message": sentence[:MESSAGE_LIMIT],
        "conditions": conditions([refused], policy.get("status") or {}, generation, now_seconds),
    }


def conditions(
    now: Sequence[Condition], previous: Object, generation: int, at_seconds: float
) -> list[dict[str, object]]:
    """Conditions as the API writes them. The transition time of one whose status is unchanged stays."""
    before = {each.get("type"): each for each in previous.get("conditions") or ()}
    written = []
    for each in now:
        known = before.get(each.type, {})
        same = known.get("status") == each.status and "lastTransitionTime" in known
        written.append(
            {
                "type": each.type,
                "status": each.status,
                "reason": each.reason,
                "message": each.message[:CONDITION_LIMIT],
                "observedGeneration": generation,
                "lastTransitionTime": known["lastTransitionTime"] if same else timestamp(at_seconds),
            }
        )
    return written


class StatusWriter:
    """Patches a status where it says something new, and at most every 30 s where it does not."""

    def __init__(self, kube: Kube, clock: Clock) -> None:
        self._kube = kube
        self._clock = clock
        self._written: dict[str, tuple[float, Mapping[str, Any]]] = {}

    async def write(self, policy: Key, status: Mapping[str, Any]) -> bool:
        """Write if due; whether it was. Raises `KubeError`; a failed write is due again at once."""
        now_seconds = self._clock.now()
        at_seconds, before = self._written.get(str(policy), (0.0, {}))
        if _essence(before) == _essence(status) and now_seconds - at_seconds < PERIOD_SECONDS:
            return False
        path = collection.policies(policy.namespace).item(*policy, "status")
        await self._kube.merge_patch(path, {"status": status})
        self._written[str(policy)] = (now_seconds, status)
        return True

    def forget(self, policy: str) -> None:
        """Forget a policy that is gone."""
        self._written.pop(policy, None)


def _essence(status: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a status worth a write: a new time alone does not, nor a sentence with a figure a little different."""
    apart = ("lastDecisionTime", "message", "conditions", "capabilities")
    kept = {name: value for name, value in status.items() if name not in apart}
    shown = [(each["type"], each["status"], each["reason"]) for each in status.get("conditions") or ()]
    means = [(each["name"], each["works"]) for each in status.get("capabilities") or ()]
    return {**kept, "conditions": shown, "capabilities": means}


def _rounded(replicas: float) -> str:
    """A quantity to a tenth of a replica: a finer figure would be news at every tick."""
    return f"{replicas:.1f}"
