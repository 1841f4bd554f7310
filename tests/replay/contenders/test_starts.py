"""A replay learns cold starts from what its view shows."""

import pytest

from benchmarks.decisions.learning import times
from policies.ladder import lead_quantile_seconds
from policies.model import Inputs, State, StepResult
from policies.supply import ColdStart
from replay.contenders.outrider import Outrider
from replay.driver import Outcome, run
from tests.replay.demo.live import the_scenario, the_workload


def played(factor: float, *, learns: bool) -> tuple[Outcome, ColdStart]:
    """The outcome, and the last cold start that was decided with, where the stated one is so many times too long."""
    scenario, workload = the_scenario(), the_workload()
    decided = list[ColdStart]()

    def watch(_before: State, inputs: Inputs, _result: StepResult) -> None:
        decided.append(inputs.cold_start)

    stated = times(workload.cold_start, factor)
    outcome = run(scenario, Outrider(workload.policy, stated, scenario.past, watch=watch, learns=learns))
    return outcome, decided[-1]


def test_what_is_stated_too_short_is_learned_in_time() -> None:
    stated, kept = played(0.5, learns=False)
    learned, found = played(0.5, learns=True)
    assert kept == times(the_workload().cold_start, 0.5)
    assert stated.attainment < 0.9
    assert learned.attainment > 0.99
    true_seconds, found_seconds = (lead_quantile_seconds(each, (), 0.0) for each in (the_workload().cold_start, found))
    assert found_seconds == pytest.approx(true_seconds, rel=0.15)


def test_what_is_stated_too_long_costs_less_once_it_is_learned() -> None:
    stated, _ = played(2.0, learns=False)
    learned, _ = played(2.0, learns=True)
    assert learned.score.gpu_hours < stated.score.gpu_hours
    assert learned.attainment > 0.99
