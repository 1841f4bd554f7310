"""A profile that is wrong by up to a factor of two, and an engine that slows down, in the simulator: what they cost, and how long."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from crds.workload import Workload
from policies.capacity import work_ratio
from policies.model import Inputs, State, StepResult
from replay.contenders import outrider
from replay.contenders.contender import Periodic, Setup
from replay.contenders.view import View
from replay.driver import run
from replay.scenario.policy import default
from replay.scenario.scenario import L4_8B, Scenario
from replay.sim.serving import Serving, engine_of
from tests.replay.sim.scenarios import START, scenario

pytestmark = pytest.mark.slow
HOURS, RATE = 9, 6.0  # requests per second, in the mean: 3 to 6 replicas
HALF_SECONDS = HOURS * 1800.0


def traffic() -> Scenario:
    """Requests that come and go over three hours, and are long or short."""
    random = np.random.default_rng(1)
    at = np.sort(random.uniform(0.0, HOURS * 3600.0, round(2.0 * RATE * HOURS * 3600.0)))
    at = at[random.uniform(0.0, 1.0, len(at)) < 0.5 + 0.2 * np.sin(2.0 * np.pi * at / 10_800.0)]
    prompt, output = random.integers(100, 900, len(at)), random.integers(20, 280, len(at))
    return scenario(at, prompt, output, hardware=L4_8B, replicas=6, duration=HOURS * 3600.0)


def workload(wrong: float) -> Workload:
    """A policy whose profile overstates the work of a request by that factor."""
    given = default("8b-l4")
    engine = given.policy.engine
    engine = replace(
        engine,
        prefill_tokens_per_second=engine.prefill_tokens_per_second / wrong,
        decode_seconds_per_token=engine.decode_seconds_per_token * wrong,
    )
    return replace(given, policy=replace(given.policy, engine=engine))


@dataclass
class Watched:
    """Outrider, whose estimate and replicas are noted at each decision."""

    workload: Workload
    late: float = 0.0  # replica-ticks of the second half
    ratios: list[float] = field(default_factory=list)  # at each tick

    def attach(self, view: View) -> Sequence[Periodic]:
        self._half = view.now_seconds + HALF_SECONDS
        contender = outrider.make(Setup(self.workload, engine_of(L4_8B), None, self._watch))
        return contender.attach(view)

    def _watch(self, _before: State, inputs: Inputs, result: StepResult) -> None:
        if inputs.on_grid:
            self.ratios.append(work_ratio(result.state.capacity))
        if inputs.now_seconds >= self._half and result.plan is not None:
            self.late += result.plan.desired_replicas


def play(wrong: float) -> tuple[float, float, float]:
    """The cost of the second half, the share of requests that wait 5 s at most, and the learned ratio."""
    watched = Watched(workload(wrong))
    attainment = run(traffic(), watched).attainment
    return watched.late, attainment, watched.ratios[-1]


@pytest.fixture(scope="module")
def right() -> float:
    cost, attainment, ratio = play(1.0)
    assert attainment >= 0.99
    assert ratio == pytest.approx(1.0, rel=0.06)
    return cost


@pytest.mark.parametrize("wrong", [0.5, 0.85, 1.15, 2.0])
def test_a_wrong_profile_costs_no_more_once_it_is_mended(wrong: float, right: float) -> None:
    cost, attainment, ratio = play(wrong)
    assert ratio * wrong == pytest.approx(1.0, rel=0.06)
    assert cost == pytest.approx(right, rel=0.05)
    assert attainment >= 0.98  # with half the replicas in the first minutes


def test_a_slower_build_is_followed_within_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    served, hour = Serving.advance, 240  # ticks

    def advance(serving: Serving, to_seconds: float) -> None:
        if to_seconds >= START + 4.0 * 3600.0 and serving._engine.step_base_seconds == L4_8B.step_base_seconds:
            engine = serving._engine
            serving._engine = engine._replace(
                prefill_tokens_per_second=engine.prefill_tokens_per_second / 1.2,
                step_base_seconds=engine.step_base_seconds * 1.2,
                step_sequence_seconds=engine.step_sequence_seconds * 1.2,
            )
        served(serving, to_seconds)

    monkeypatch.setattr(Serving, "advance", advance)
    watched = Watched(workload(1.0))
    assert run(traffic(), watched).attainment >= 0.99
    assert watched.ratios[5 * hour] / watched.ratios[4 * hour - 1] == pytest.approx(1.2, rel=0.06)
