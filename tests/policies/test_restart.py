"""A restart after a clock was set, a long downtime or a pause: nothing is compared with what lies elsewhere in time."""

from dataclasses import replace

import pytest

from forecasting.forecaster import Forecaster
from policies import restart
from policies.backfill import Past
from policies.codec import decode, encode
from policies.decider import Decider
from policies.engine import restarted, step
from policies.model import Decided, Demand, State
from tests.support.worlds import COLD_START, TICK, Fleet, a_policy

POLICY = a_policy(max_replicas=40, hold_seconds=120.0)
HOUR = 3600.0


def worn(fleet: Fleet) -> State:
    """The state after two hours of constant traffic, which as many pods serve as were decided."""
    state = State()
    for _ in range(480):
        state = step(POLICY, state, fleet.tick(8.0)).state
        fleet.pods = state.decided.replicas or fleet.pods
    return state


def moved(fleet: Fleet, seconds: float) -> Fleet:
    """The same pods at another time, as the clock has it."""
    fleet.now = (fleet.now + seconds) // TICK * TICK
    return fleet


@pytest.mark.parametrize("seconds", [-7 * 24 * HOUR, -HOUR, -40.0, 40.0, HOUR, 7 * 24 * HOUR, 5e8], ids=str)
def test_a_clock_that_was_set_changes_no_demand(seconds: float) -> None:
    fleet = Fleet(pods=10)
    state = worn(fleet)
    before, replicas = state.filters.level, state.decided.replicas
    moved(fleet, seconds)
    state = restarted(POLICY, COLD_START, decode(State, encode(state)), fleet.now)
    seen: list[Demand] = []
    for _ in range(40):
        result = step(POLICY, state, fleet.tick(8.0))
        state = result.state
        seen.append(result.demand)
        assert result.plan is not None
        assert result.plan.desired_replicas == replicas
        assert state.filters.level == pytest.approx(before, rel=0.05)
    known = [demand for demand in seen if demand.coverage == 1.0]
    assert len(known) >= 39
    assert before is not None
    for demand in known:
        assert 0.5 * before < (demand.recent_replicas or 0.0) < 1.5 * before


def test_what_is_recent_is_kept() -> None:
    fleet = Fleet(pods=3)
    state = worn(fleet)
    again = restarted(POLICY, COLD_START, state, fleet.now + 10.0)
    assert again.filters == state.filters


def test_what_lies_in_the_future_is_dropped_and_what_was_learned_is_kept() -> None:
    fleet = Fleet(pods=3)
    filters = worn(fleet).filters
    known = restart.known(State(filters), fleet.now - HOUR).filters
    assert (known.arrivals, known.levels, known.tick_seconds) == ((), (), None)
    assert not any(mark.comparable for mark in known.marks)
    assert (known.level, known.volatility, known.tokens) == (filters.level, filters.volatility, filters.tokens)


@pytest.mark.parametrize("away_seconds", [60.0, HOUR, -HOUR], ids=str)
def test_the_level_that_follows_what_it_missed_is_not_volatility(away_seconds: float) -> None:
    """Demand has doubled meanwhile: the level takes minutes to follow."""
    fleet = Fleet(pods=20)
    state = worn(fleet)
    before = state.filters.volatility
    moved(fleet, away_seconds)
    state = restarted(POLICY, COLD_START, state, fleet.now)
    for _ in range(60):
        state = step(POLICY, state, fleet.tick(16.0)).state
    assert state.filters.volatility == pytest.approx(before, abs=0.03)


def test_a_second_restart_before_the_first_decision_holds_as_much() -> None:
    once = restarted(POLICY, COLD_START, State(decided=Decided(replicas=8)), 1000.0)
    twice = restarted(POLICY, COLD_START, once, 1010.0)
    assert twice.decided.peaks == ((1010.0, 8),)
    back = restarted(POLICY, COLD_START, replace(once, decided=replace(once.decided, peaks=((2000.0, 9),))), 1010.0)
    assert back.decided.peaks == ((1010.0, 0),)


@pytest.mark.parametrize("grew", [True, False], ids=["the pods went on", "the pods were paused as well"])
def test_after_a_pause_nothing_falls(grew: bool) -> None:
    """An hour in which the counters grew hardly or not at all would look like a lull, and its peaks are past their hold."""
    fleet = Fleet(pods=10)
    decider = Decider(POLICY, Forecaster(), worn(fleet))
    replicas = decider.state.decided.replicas
    moved(fleet, HOUR)
    for _ in range(5):
        decided = decider.decide(fleet.tick(8.0 if grew else 0.0))
        grew = True
        assert decided is not None
        plan = decided[1].plan
        assert plan is not None
        assert plan.desired_replicas == replicas


def test_history_from_the_future_is_not_remembered() -> None:
    """Beside it, the forecaster would take every reading for one of long ago."""
    fleet = Fleet(pods=10)
    decider = Decider(POLICY, Forecaster(), worn(fleet))
    now = moved(fleet, -HOUR).now
    points = [Past(now + 60.0 * i, 4.0, 0.0, 8.0, 8000.0, 1600.0) for i in range(-40, 60)]
    assert decider.remember(points, now) == 41
    assert decider.state.filters.tick_seconds == now
    for _ in range(8):
        decider.decide(fleet.tick(8.0))
    fan = decider.forecaster.fan(fleet.now)
    assert fan is not None
    assert fan.as_of_seconds == pytest.approx(fleet.now, abs=60.0)
