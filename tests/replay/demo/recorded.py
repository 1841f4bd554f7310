"""Lines of a decision log and snapshots of the cluster, as the two processes would write them."""

from typing import Any

from policies.log import decision_line, header_line, state_line
from policies.model import Basis, Demand, Fan, Inputs, Reason, Rule, State, StepResult
from tests.support.worlds import COLD_START, START, a_plan, a_policy

POLICY = a_policy()


def a_snapshot(elapsed_s: float, **changes: Any) -> dict[str, Any]:
    snapshot = {
        "scenario": "rush",
        "now_seconds": START + elapsed_s,
        "elapsed_seconds": elapsed_s,
        "duration_seconds": 2700.0,
        "requests_per_second": 5.5,
        "demand_replicas": 4.0 + elapsed_s / 300.0,
        "spec_replicas": 8,
        "replicas": {"Unplaced": 1, "Pulling": 1, "Loading": 1, "Warming": 1, "Serving": 5, "Terminating": 0},
        "nodes": {"starting": 1, "ready": 1, "with_image": 6, "empty": 0},
        "balloons": {"unplaced": 0, "pulling": 1, "running": 1},
        "waiting": 3.0,
        "running": 70.0,
        "keda_problem": None,
        "speed": 30.0,
        "waits_for": None,
        "missed_scrapes_share": 0.0,
    }
    return snapshot | changes


def a_fan(at_seconds: float) -> Fan:
    return Fan(at_seconds, (60.0, 600.0), (0.5, 0.99), ((4.0, 6.0), (5.0, 9.0)), "seasonal", proven=True)


def a_line(at_seconds: float, desired: int, prepared: int = 0, *, fan: bool = True) -> str:
    demand = Demand(at_seconds, Basis.WORK, 1.0, 4.0, 4.0, 0.0, 20.0, 5.0, 0.9)
    numbers = (("level", 4.0), ("lead_seconds", 315.0))
    reason = Reason(Rule.VOLATILITY, desired - 0.4, numbers)
    limit = (Reason(Rule.PREPARED_LIMIT, prepared, (("asked", 3.0),)),)
    plan = a_plan(desired, reason, prepared=prepared, prepared_reasons=limit, at_seconds=at_seconds)
    inputs = Inputs(at_seconds, True, (), None, COLD_START, fan=a_fan(at_seconds) if fan else None)
    return decision_line(POLICY, inputs, StepResult(State(), plan, demand))


def the_head() -> str:
    return f"{header_line('here')}\n{state_line(POLICY, State())}\n"
