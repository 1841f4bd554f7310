"""What a GPUPool's status says, that the API takes it, and what a restart makes of it or of whatever else is there."""

from dataclasses import replace
from typing import Any

import pytest

from autoscaler.reporting.pool_report import PoolReport
from autoscaler.reporting.pool_status import invalid_status, pool_status, restored
from crds.v1alpha1.gpupool_status import Status
from policies.model import Grant
from policies.pool import (
    Account,
    Ask,
    Claim,
    Granted,
    Limit,
    OfferingInput,
    OfferingState,
    PoolInputs,
    PoolPlan,
    PoolReason,
    PoolState,
    Refusal,
    Seat,
    StandbyPhase,
    StandbyUnit,
    Step,
    Usage,
)
from policies.standby import StandbyRule
from tests.autoscaler.starts.test_shortages import a_pool

NOW = 1_760_000_000.0
RAW: dict[str, Any] = {"metadata": {"name": "h100", "generation": 3}}
SEAT = Seat("search", "search", 0, 1.0, 0, None)
ASKS = tuple(
    Ask(name, SEAT, 8, kept, kept, kept, Grant(asked, 0)) for name, kept, asked in (("ns/a", 2, 2), ("ns/b", 1, 3))
)
GRANTS = (
    Granted("ns/a", Grant(2, 0)),
    Granted("ns/b", Grant(1, 0), Refusal(Limit.POOL_GPUS, 2, 24.0, (("ns/a", "search", 16), ("ns/b", "search", 8)))),
)
UNITS = (
    StandbyUnit("one", "on-demand", StandbyPhase.READY, NOW - 90.0, NOW - 9.0, "n1", 1),
    StandbyUnit("two", "on-demand", StandbyPhase.WAITING, NOW - 9.0, NOW - 9.0),
)
STATE = PoolState(
    offerings=(
        OfferingState(
            "spot", resting_until_seconds=NOW + 100.0, rest_seconds=360.0, refused_seconds=NOW - 80.0, nodes=0
        ),
        OfferingState("on-demand", landed_seconds=NOW - 9.0, nodes=4),
    ),
    account=Account(
        since_seconds=NOW - 900.0,
        at_seconds=NOW,
        total=Usage(serving=7200.0, starting=60.0, standby=10.0, wasted=5.0, used=3600.0, usd=8.126),
        day="2025-10-09",
        day_usd=7.504,
    ),
)


def a_report(**changes: Any) -> PoolReport:
    claims = (Claim("spot", 0, Step.RESTING), Claim("on-demand", 2, Step.HEDGE))
    reason = PoolReason(StandbyRule.MINIMUM, 2.0)
    plan = PoolPlan(NOW, GRANTS, 2, claims, (reason,), granted_gpus=24, held_gpus=24, projected_usd=99.0)
    offerings = (OfferingInput("spot", True, 0, 300.0), OfferingInput("on-demand", True, 4, 300.0))
    pool = a_pool()
    inputs = PoolInputs(NOW, True, ASKS, UNITS, offerings, pool.day(NOW), 200.0, other_gpus=2)
    report = PoolReport(pool, STATE, NOW, inputs, plan, usd_per_hour=12.346)
    return replace(report, **changes)


def shown(report: PoolReport) -> dict[str, Any]:
    """The status without its nulls, which remove a field. It is valid by the schema."""
    found = bare(pool_status(report, RAW))
    assert isinstance(found, dict)
    Status.model_validate(found)
    return found


def bare(value: object) -> Any:
    if isinstance(value, dict):
        return {name: bare(each) for name, each in value.items() if each is not None}
    return [bare(each) for each in value] if isinstance(value, list) else value


def conditions(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}


def test_it_tells_the_story() -> None:
    status = shown(a_report())
    assert (status["heldGpus"], status["grantedGpus"], status["refusedGpus"], status["otherGpus"]) == (24, 24, 16, 2)
    assert (status["standby"], status["offering"], status["observedGeneration"]) == ("1/2", "on-demand", 3)
    spot, on_demand = status["offerings"]
    assert (spot["reason"], spot["nodes"], spot["restSeconds"]) == ("Resting", 0, 360)
    assert "1 min 40 s" in spot["message"]
    assert (on_demand["reason"], on_demand["nodes"], on_demand["inFlight"], on_demand["standby"]) == ("Hedged", 4, 1, 1)
    assert "1 wait for admission" in on_demand["message"]
    assert [each["reason"] for each in status["workloads"]] == ["Granted", "PoolGPUs"]
    assert status["workloads"][1]["refused"] == 16
    assert "ns/a" in status["workloads"][1]["message"]
    spend = status["spend"]
    assert (spend["usdPerHour"], spend["usdToday"], spend["forecastUsdToday"]) == ("12.35", "7.50", "99.00")
    assert conditions(status) == {
        "Ready": ("True", "InUse"),
        "WithinLimits": ("False", "PoolGPUs"),
        "StandbyReady": ("False", "Waiting"),
    }


def test_before_the_first_decision_nothing_is_claimed() -> None:
    status = shown(PoolReport(a_pool(), PoolState(), NOW))
    assert conditions(status) == {"Ready": ("True", "InUse")}
    assert "heldGpus" not in status
    assert [each["reason"] for each in status["offerings"]] == ["Open", "Open"]


def test_unknown_standby_is_not_zero() -> None:
    report = a_report()
    assert report.inputs is not None
    status = shown(a_report(inputs=replace(report.inputs, standby=None)))
    assert "standby" not in status
    assert conditions(status)["StandbyReady"] == ("Unknown", "StandbyUnknown")


def test_an_invalid_edit_and_a_standby_problem_are_said() -> None:
    status = shown(a_report(problem="spec.offerings: none.", standby_problem="jobs is forbidden"))
    assert conditions(status)["Ready"] == ("False", "Invalid")
    assert conditions(status)["StandbyReady"] == ("False", "NotAsDecided")
    assert "Jobs is forbidden." in status["message"]
    Status.model_validate(invalid_status(RAW, "spec.offerings: none", NOW))


def test_no_number_that_is_not_finite_is_written() -> None:
    status = shown(a_report(usd_per_hour=float("nan")))
    assert "usdPerHour" not in status["spend"]


def test_what_it_says_is_what_a_restart_goes_on_with() -> None:
    after = restored(a_pool().pool, shown(a_report()), None)
    assert after.account.day_usd == 7.5
    assert after.account.day == STATE.account.day
    assert after.account.at_seconds == NOW
    assert after.account.total == Usage(serving=7200.0, starting=60.0, standby=10.0, wasted=5.0, used=3600.0, usd=8.13)
    spot = after.offerings[0]
    assert (spot.resting_until_seconds, spot.rest_seconds) == (NOW + 100.0, 360.0)


@pytest.mark.parametrize(("ahead", "usd"), [(60.0, 7.5), (-60.0, 5.0)])
def test_whichever_knows_more_of_what_was_spent_wins(ahead: float, usd: float) -> None:
    saved = PoolState(level=3.0, account=Account(at_seconds=NOW - ahead, day="2025-10-09", day_usd=5.0))
    after = restored(a_pool().pool, shown(a_report()), saved)
    assert after.account.day_usd == usd
    assert after.level == 3.0  # of which the status knows nothing


@pytest.mark.parametrize(("ahead", "nodes"), [(60.0, 0), (-60.0, 5)])
def test_after_another_controller_its_standby_nodes_count_and_not_those_of_before(ahead: float, nodes: int) -> None:
    saved = PoolState(standby_nodes=5, standby_peaks=((NOW - 10.0, 9),), account=Account(at_seconds=NOW - ahead))
    after = restored(a_pool().pool, shown(a_report()), saved)
    assert (after.standby_nodes, after.standby_peaks) == (nodes, ())  # without peaks a hold begins anew


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"spend": None, "offerings": None},
        {"spend": {"usdToday": "much", "until": "now", "totalUsd": "-5", "day": None}},
        {"spend": {"usdToday": [], "until": 5, "totalUsd": "1e999"}, "offerings": [None, "spot", {"name": "gone"}]},
    ],
)
def test_a_status_that_cannot_be_read_counts_as_none(status: dict[str, Any]) -> None:
    after = restored(a_pool().pool, status, None)
    assert after.account.day_usd == 0.0
    assert after.account.total == Usage()
    assert after.account.at_seconds is None
    assert [each.name for each in after.offerings] == ["spot", "on-demand"]
    assert all(each.resting_until_seconds is None for each in after.offerings)
