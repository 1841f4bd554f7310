"""The same traffic through the live demo and through offline replay gives the same decisions.

Live: a simulated cluster and the controller as two processes that meet on real protocols, at 30 times the wall's speed.
Offline: the driver, in virtual time. What differs: the moment at which the live one has read its history and made its
first fit, scrapes that take time, and Kubernetes' own delays.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest

from policies.model import Inputs, State, StepResult
from replay.contenders.outrider import Outrider
from replay.driver import Outcome, run
from replay.scenario.scenario import Scenario
from tests.replay.demo.live import a_pair, logged, the_scenario, the_service

Ticks = dict[float, int]  # desired replicas at each tick of the decision grid


@dataclass(frozen=True)
class Both:
    live: Ticks
    offline: Ticks
    live_outcome: Outcome
    offline_outcome: Outcome

    @property
    def within_one(self) -> float:
        """Share of all offline ticks; one that the live controller missed does not agree."""
        near = [at in self.live and abs(self.live[at] - desired) <= 1 for at, desired in self.offline.items()]
        return sum(near) / len(near)

    @property
    def gpu_hours_apart(self) -> float:
        offline = self.offline_outcome.score.gpu_hours
        return abs(self.live_outcome.score.gpu_hours - offline) / offline


def _both(scenario: Scenario, folder: Path) -> Both:
    with a_pair(scenario, folder) as pair:
        for _ in pair.frames():
            pass
    assert pair.outcome is not None
    live = {
        decision.inputs.now_seconds: decision.plan.desired_replicas
        for decision in logged(pair.decisions)
        if decision.inputs.on_grid and decision.plan is not None
    }
    offline: Ticks = {}

    def watch(_before: State, inputs: Inputs, result: StepResult) -> None:
        if inputs.on_grid and result.plan is not None:
            offline[inputs.now_seconds] = result.plan.desired_replicas

    outcome = run(scenario, Outrider(the_service().policy, the_service().cold_start, scenario.past, watch=watch))
    return Both(live, offline, pair.outcome, outcome)


def test_ten_minutes_agree(tmp_path: Path) -> None:
    """A short check that leaves room for a busy machine: half a minute of wall time is ten of the traffic."""
    both = _both(the_scenario(duration="10m"), tmp_path)
    assert both.within_one >= 0.8
    assert both.gpu_hours_apart <= 0.15


@pytest.mark.slow
def test_the_whole_sample_agrees(tmp_path: Path) -> None:
    both = _both(the_scenario(), tmp_path)
    told = f"{both.within_one:.1%} of the ticks within one replica, GPU-hours {both.gpu_hours_apart:.2%} apart"
    print(told)
    assert both.within_one >= 0.95, told
    assert both.gpu_hours_apart <= 0.02, told
