"""Fixed schedules of the twin, and what the twin itself rests on. `make fuzz` plays any number of them."""

from dataclasses import replace

import pytest

from tests.twin import excluded
from tests.twin.faults import Fault, Pods, Times
from tests.twin.invariants import INVARIANTS, breaches
from tests.twin.load import WARM_TICKS, drawn
from tests.twin.play import Moment
from tests.twin.run import clean, judged, played
from tests.twin.schedule import FAULTS_PER_LOAD, KINDS, Schedule, schedule

IN_EVERY_RUN = 2  # loads of eight schedules, 2 s each
LOADS = 40

QUICK = range(IN_EVERY_RUN)
loads = [pytest.param(load, marks=() if load in QUICK else pytest.mark.slow) for load in range(LOADS)]


@pytest.mark.parametrize("load", loads)
def test_faults_lower_nothing_and_leave_nothing_behind(load: int) -> None:
    """2 s each, some in every run: nothing else plays the whole way from a page to a decision against a clean twin."""
    verdicts = [judged(load * FAULTS_PER_LOAD + number) for number in range(FAULTS_PER_LOAD)]
    assert [(each.seed, each.kind, each.breaches) for each in verdicts if each.breaches] == []


def test_every_kind_of_fault_is_played() -> None:
    played_kinds = {fault.kind for seed in range(LOADS * FAULTS_PER_LOAD) for fault in schedule(seed).faults}
    assert played_kinds == set(KINDS)


def test_no_exclusion_is_without_a_kind_an_invariant_and_a_reason() -> None:
    for each in excluded.EXCLUDED:
        assert each.kind in KINDS
        assert each.invariant in INVARIANTS
        assert len(each.reason.split()) > 5


@pytest.fixture(scope="module")
def calm() -> tuple[Schedule, list[Moment]]:
    """A schedule whose only fault changes nothing, and the clean twin's moments."""
    nothing = Fault("nothing", Times.SPAN, Pods.ALL, WARM_TICKS + 2, 8)
    of = Schedule(0, drawn(3), (nothing,))
    return of, [each for each in clean(of.load).moments(of) if each is not None]


def test_without_a_fault_the_twins_are_one(calm: tuple[Schedule, list[Moment]]) -> None:
    of, moments = calm
    twin = clean(of.load).fork.copy()
    assert [twin.tick(tick, of.faults) for tick in range(WARM_TICKS, of.last + 1)] == moments[WARM_TICKS:]
    assert breaches(of, moments, moments, moments) == []


def test_a_schedule_plays_the_same_way_every_time() -> None:
    assert played(3) == played(3)


def test_what_falls_rises_or_stays_wrong_is_a_breach(calm: tuple[Schedule, list[Moment]]) -> None:
    of, moments = calm

    def found(first: int, last: int, **changes: object) -> set[str]:
        faulted = [
            replace(each, **changes) if first <= each.tick <= last else each  # type: ignore[arg-type]
            for each in moments
        ]
        return {each.invariant for each in breaches(of, moments, faulted, moments)}

    start, end = of.start, int(of.end)
    assert found(start, start, desired=0) == {"floor"}
    assert found(end + 30, end + 30, desired=0) == set()  # the hold is over
    assert found(end + 60, end + 60, desired=60) == {"ceiling"}
    assert found(end + 30, end + 30, desired=60) == set()
    state = moments[start].state
    for bad in (state.filters.level or 0.0) * 1.2 + 0.2, 0.0:
        assert found(end + 32, end + 44, state=replace(state, filters=replace(state.filters, level=bad))) >= {"level"}
    doubled = replace(state.filters.tokens, prompt_tokens=2.0 * state.filters.tokens.prompt_tokens)
    assert found(end + 120, end + 120, state=replace(state, filters=replace(state.filters, tokens=doubled))) >= {
        "tokens"
    }
    moved = replace(state, filters=replace(state.filters, volatility=0.9))
    assert found(end + 1, end + 1, state=moved) == {"volatility"}
    taught = replace(state, capacity=replace(state.capacity, count=20.0, log_work_ratio=-1.0))
    assert found(end + 1, end + 1, state=taught) == {"capacity"}
    endless = replace(state, filters=replace(state.filters, level=float("inf")))
    assert "finite" in found(start, start, state=endless)
