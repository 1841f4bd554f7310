"""A decision log and the snapshots beside it, as the two processes would write them."""

from typing import Any

from policies.log import decision_line, header_line, state_line
from policies.model import Basis, Demand, Fan, Inputs, Plan, Reason, Rule, State, StepResult
from tests.support.worlds import START, a_policy

POLICY = a_policy()


def a_snapshot(elapsed_s: float, **changes: Any) -> dict[str, Any]:
    snapshot = {
        "scenario": "rush",
        "now_seconds": START + elapsed_s,
        "elapsed_seconds": elapsed_s,
        "lead_in_seconds": 0.0,
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
    }
    return snapshot | changes


def a_fan(at_seconds: float) -> Fan:
    return Fan(at_seconds, (60.0, 600.0), (0.5, 0.99), ((4.0, 6.0), (5.0, 9.0)), "seasonal", proven=True)


def a_line(at_seconds: float, desired: int, prepared: int = 0, *, fan: bool = True) -> str:
    demand = Demand(at_seconds, Basis.WORK, 1.0, 4.0, 4.0, 0.0, 20.0, 5.0, 0.9)
    numbers = (("level", 4.0), ("lead_seconds", 315.0))
    word = Reason(Rule.VOLATILITY, desired - 0.4, numbers)
    plan = Plan(at_seconds, desired, prepared, (word,), (Reason(Rule.PREPARED_LIMIT, prepared, (("asked", 3.0),)),))
    inputs = Inputs(at_seconds, True, (), None, fan=a_fan(at_seconds) if fan else None)
    return decision_line(POLICY, inputs, StepResult(State(), plan, demand))


def the_head() -> str:
    return f"{header_line('here')}\n{state_line(POLICY, State())}\n"
