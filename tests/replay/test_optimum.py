"""The search for the clairvoyant's schedule."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from crds.workload import Workload
from policies.supply import ColdStart
from replay.contenders.clairvoyant import STEP_SECONDS, Clairvoyant, Fixed, asked_ahead
from replay.driver import Outcome, run
from replay.optimum import MOST_RUNS, best
from replay.runs import Run, RunProgress, here
from replay.scenario.policy import default
from replay.scenario.scenario import Scenario
from tests.replay.sim.scenarios import SURE, exactly, scenario

QUICK = replace(SURE, cold_start=ColdStart(node=exactly(10), image=exactly(5), weights=exactly(5), warmup=exactly(10)))
BLOCK_SECONDS = 120.0


def with_attainment(share: float, max_replicas: int = 400) -> Workload:
    workload = default()
    return replace(workload, policy=replace(workload.policy, attainment=share, max_replicas=max_replicas))


def square(rates: Sequence[float]) -> Scenario:
    """So many requests a second in each block, evenly spaced; a replica serves about 4."""
    blocks = [np.arange(0.0, BLOCK_SECONDS, 1.0 / rate) + BLOCK_SECONDS * at for at, rate in enumerate(rates)]
    return scenario(np.concatenate(blocks), 400, 100, hardware=QUICK, replicas=2, duration=BLOCK_SECONDS * len(rates))


class Counted:
    """Plays here, and notes what it plays."""

    def __init__(self) -> None:
        self.played: list[Run] = []

    def __call__(self, runs: Sequence[Run], progress: RunProgress, /) -> Iterator[tuple[Run, Outcome]]:
        self.played += runs
        yield from here(runs, progress)


@pytest.mark.parametrize("rates", [(2, 8, 2, 8), (2, 2, 2, 8), (4, 6, 8, 2)])
def test_no_schedule_in_whole_blocks_is_cheaper(rates: Sequence[float]) -> None:
    """All that have 1 to 3 replicas in each of four blocks of two minutes, each replayed."""
    scene = square(rates)
    (found,) = best(scene, with_attainment(0.99), (0.99,))
    assert found is not None
    assert found.attainment >= 0.99
    least = found.gpu_hours
    steps = round(BLOCK_SECONDS / STEP_SECONDS)
    for counts in product(range(1, 4), repeat=len(rates)):
        if sum(counts) * BLOCK_SECONDS / 3600.0 < found.gpu_hours:  # the others cost more, whatever they attain
            outcome = run(scene, Clairvoyant(asked_ahead(np.repeat(np.array(counts), steps), scene)))
            least = outcome.score.gpu_hours if outcome.attainment >= 0.99 else least
    assert found.gpu_hours <= least * 1.02


def test_one_replay_serves_all_attainments_and_more_attainment_costs_no_less() -> None:
    scene, counted, apart = square((2, 8, 2, 8, 2)), Counted(), Counted()
    found = best(scene, with_attainment(0.99), (0.9, 0.999), play=counted)
    (alone,) = best(scene, with_attainment(0.99), (0.999,), play=apart)
    low, high = found
    assert low is not None
    assert high is not None
    assert alone is not None
    assert low.gpu_hours <= high.gpu_hours
    assert alone.gpu_hours == pytest.approx(high.gpu_hours, rel=0.02)
    assert len({run.entry.key for run in counted.played}) == len(counted.played) < 2 * MOST_RUNS


def test_a_fleet_that_needs_no_change_is_found_at_once() -> None:
    counted = Counted()
    (found,) = best(square((1, 1, 1, 1)), with_attainment(0.99), (0.99,), play=counted)
    assert found is not None
    assert set(found.schedule.replicas) == {1}
    assert len(counted.played) <= 3


def test_a_fixed_fleet_stands_where_no_other_schedule_is_cheaper() -> None:
    """Bursts of ten seconds, of which no mean over two minutes shows the height."""
    at = np.sort(np.concatenate([np.arange(0.0, 600.0, 2.0), *(np.full(12, 60.0 * k) for k in range(1, 10))]))
    scene = scenario(at, 2000, 10, hardware=QUICK, replicas=1, duration=600.0)
    (found,) = best(scene, with_attainment(0.99), (0.99,))
    assert found is not None
    assert found.plan == Fixed(3)


def test_what_cannot_be_attained_has_no_schedule() -> None:
    scene = square((2, 8, 2))
    assert best(scene, with_attainment(0.99, max_replicas=1), (0.5, 0.99))[1] is None


def test_a_minimum_above_what_the_work_needs_and_still_too_small_has_no_schedule() -> None:
    """Two bursts of eight, whose prompts wait for each other on five replicas."""
    scene = scenario(np.repeat([10.0, 400.0], 8), 500, 10, hardware=QUICK, replicas=5, duration=600.0)
    workload = default()
    policy = replace(workload.policy, min_replicas=5, queue_wait_seconds=0.01, attainment=0.99)
    assert best(scene, replace(workload, policy=policy), (0.99,)) == (None,)


def test_progress_goes_on_from_what_came_before() -> None:
    reports: list[tuple[float, int]] = []
    best(
        square((2, 8)),
        with_attainment(0.99),
        (0.99,),
        progress=lambda _, done, most: reports.append((done, most)),
        done=7,
        most=7 + MOST_RUNS,
    )
    done = [each for each, _ in reports]
    assert done == sorted(done)
    assert done[0] >= 7
    assert {most for _, most in reports} == {7 + MOST_RUNS}
