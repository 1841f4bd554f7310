"""Arithmetic of the comparison, on decisions whose numbers are written by hand: each answer is worked out in the test."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from io import StringIO

import pytest
from rich.console import Console

from autoscaler.records.comparison.compare import Comparison, Comparisons
from autoscaler.records.comparison.page import show
from autoscaler.records.comparison.plot import plot
from autoscaler.records.comparison.timeline import Timeline
from policies.log import Decision
from policies.model import Basis, Demand, Echelon, Inputs, Mode, Policy, Reason, Rule
from policies.supply import ColdStart, Rung, Stage
from tests.support.worlds import START, a_plan, a_policy, a_supply

HOUR, MINUTE = 240, 4  # ticks of 15 s
SHADOW = a_policy(mode=Mode.SHADOW, gpus_per_replica=4, price_per_gpu_hour=2.0)
# With 25 s of control: 140 s from a request, 55 s from a prepared node.
LEADS = ColdStart(node=Stage(65, 65), image=Stage(20, 20), weights=Stage(10, 10), warmup=Stage(20, 20))


@dataclass
class Log:
    """Decisions one after the other, 15 s apart."""

    now_seconds: float = START

    def ticks(
        self,
        count: int,
        policy: Policy = SHADOW,
        *,
        demand: float | None = 2.0,
        ready: int = 4,
        starting: int = 0,
        asked: int = 4,
        prepared: int = 0,
    ) -> Iterator[Decision]:
        """So many decisions with these numbers."""
        for _ in range(count):
            supply = a_supply(ready, starting=starting)
            inputs = Inputs(self.now_seconds, on_grid=True, samples=(), supply=supply, cold_start=LEADS)
            seen = Demand(self.now_seconds, Basis.WORK, 1.0, demand, demand, 0.0, 0.0, 1.0, 1.0)
            plan = replace(a_plan(asked, prepared=prepared), mode=policy.mode)
            yield Decision(1, policy, inputs, seen, None, plan)
            self.now_seconds += 15.0


def compared(*parts: Iterable[Decision]) -> list[Comparison]:
    found = Comparisons()
    for part in parts:
        for decision in part:
            found.add(decision)
    return found.close()


def text(comparisons: list[Comparison]) -> str:
    output = StringIO()
    show(Console(file=output, width=120), comparisons)
    return output.getvalue()


def test_gpu_hours_and_money() -> None:
    """Ran: 4 that serve and 1 that starts, 20 GPUs; Outrider: 3 and a prepared node, 16 GPUs; at $2, then at $3."""
    log, dearer = Log(), replace(SHADOW, price_per_gpu_hour=3.0)
    numbers = {"starting": 1, "asked": 3, "prepared": 1}
    [found] = compared(log.ticks(HOUR, **numbers), log.ticks(HOUR + 1, dearer, **numbers))  # type: ignore[arg-type]
    assert found.compared_seconds == 7200.0
    assert (found.ran.gpu_hours, found.outrider.gpu_hours) == pytest.approx((40.0, 32.0))
    assert (found.ran.cost, found.outrider.cost) == pytest.approx((20 * 2 + 20 * 3, 16 * 2 + 16 * 3))
    assert (found.ran.most_replicas, found.outrider.most_replicas) == (4, 3)
    assert "Outrider would have used 20% fewer GPU-hours" in text([found])


@pytest.mark.parametrize(("most", "leads"), [(2, "2 min 20 s from a request, 55 s with"), (0, "20 s from a request)")])
def test_the_lead_of_a_prepared_node_is_named_where_the_policy_has_any(most: int, leads: str) -> None:
    assert leads in text(compared(Log().ticks(2, replace(SHADOW, max_prepared_nodes=most)))).replace("\n", " ")


@pytest.mark.parametrize(
    ("ticks_ahead", "prepared", "short_seconds"),
    [
        (10, 0, 0.0),  # asked for 150 s before: it takes 140
        (9, 0, 15.0),  # 135 s before: it serves at the next tick
        (4, 1, 0.0),  # 60 s before, with the node prepared: it takes 55
        (3, 1, 15.0),
    ],
)
def test_what_is_asked_for_serves_one_lead_later(ticks_ahead: int, prepared: int, short_seconds: float) -> None:
    """Demand of 4.5 for ten minutes, of which 4 replicas serve: half a replica is missing."""
    log = Log()
    [found] = compared(
        log.ticks(HOUR, prepared=prepared),
        log.ticks(ticks_ahead, asked=5),
        log.ticks(10 * MINUTE, asked=5, demand=4.5),
        log.ticks(1, asked=5),
    )
    [shortage] = found.ran_short.worst()
    assert shortage.start_seconds == START + 15.0 * (HOUR + ticks_ahead)
    assert shortage.lasts_seconds == found.ran.short_seconds == 600.0
    assert shortage.asked_ahead_seconds == 15.0 * ticks_ahead
    assert shortage.outrider_short_seconds == found.outrider.short_seconds == short_seconds
    assert (found.ran_short.count, found.ran_short.covered) == (1, short_seconds == 0.0)
    assert found.ran.missing_replica_hours == pytest.approx(0.5 * 600 / 3600)
    assert found.outrider.missing_replica_hours == pytest.approx(0.5 * short_seconds / 3600)


def test_shares_are_of_the_time_with_a_known_demand() -> None:
    """Short for a quarter of an hour of two, and demand unknown in one of them; the most that served then counts too."""
    log = Log()
    [found] = compared(
        log.ticks(HOUR, demand=None, ready=9), log.ticks(15 * MINUTE, demand=5.0), log.ticks(45 * MINUTE + 1)
    )
    assert (found.compared_seconds, found.judged_seconds) == (7200.0, 3600.0)
    assert found.ran.most_replicas == 9
    assert "instead of 25.0%" in text([found])


def test_a_gap_is_longer_than_a_minute() -> None:
    log = Log()
    parts = [list(log.ticks(2))]
    for seconds in (45.0, 46.0, 3600.0):  # beside the 15 s to the next tick
        log.now_seconds += seconds
        parts.append(list(log.ticks(2)))
    [found] = compared(*parts)
    assert (found.unknown.gaps, found.unknown.gap_seconds) == (2, 61.0 + 3615.0)
    assert found.compared_seconds == 4 * 15.0 + 60.0
    assert "No decision for over a minute: 2 times, 1 h 1 min 16 s in all" in text([found])


def test_time_in_the_other_mode_is_no_gap() -> None:
    """What ran in mode Active was Outrider's: back in Shadow, it starts from there."""
    log, active = Log(), replace(SHADOW, mode=Mode.ACTIVE)
    found = compared(
        log.ticks(HOUR), log.ticks(HOUR, active, ready=8, asked=8), log.ticks(HOUR, ready=8, asked=8, demand=7.0)
    )
    assert [each.mode for each in found] == [Mode.ACTIVE, Mode.SHADOW]
    for each, hours in zip(found, (1, 2), strict=True):
        assert each.compared_seconds == hours * (3600.0 - 15.0)
        assert (each.unknown.gaps, each.outrider.short_seconds) == (0, 0.0)


@pytest.mark.parametrize(("waiting", "driven_seconds"), [(3.0, 3600.0), (0.0, 0.0)])
def test_only_a_number_with_waiting_requests_in_it_came_from_a_queue(waiting: float, driven_seconds: float) -> None:
    reason = Reason(Rule.REACTIVE, 4.0, (("waiting_requests", waiting),))
    plan = replace(a_plan(4), mode=Mode.SHADOW, echelons=(Echelon(Rung.SERVING, 4, (reason,)),))
    [found] = compared(replace(decision, plan=plan) for decision in Log().ticks(HOUR + 1))
    assert found.unknown.queue_driven_seconds == driven_seconds
    assert ("100.0% of the time, a queue decided its number" in text([found])) is (waiting > 0.0)


def test_a_target_without_replicas_and_a_demand_that_is_never_known() -> None:
    page = text(compared(Log().ticks(HOUR + 1, ready=0, asked=1, demand=None)))
    assert "Outrider would have used 4.00 GPU-hours, instead of 0.00; demand was never known." in page


def test_a_line_of_the_plot_is_upright_below_the_top() -> None:
    """From 6 replicas, the top, to 1: every row between has a mark in the second column."""
    timeline = Timeline(START)
    for at, replicas in enumerate((6, 1)):
        timeline.add(START + 15.0 * at, 15.0, None, replicas, replicas)
    rows = [line.plain[7] for line in plot(timeline, 80)[:-1]]
    assert rows == [" ", *["┃"] * 9, "═", " ", " "]
