"""The same traffic, live and offline, gives the same decisions.

In virtual time: what the offline contender finds whenever it acts is shown to the live loop, as objects of the Kubernetes
API and as scraped samples. No decision may differ, in anything. What it leaves out: reading history, fitting in another
process, and acting.

In real time: a simulated cluster and the controller as two processes that meet on real protocols, at 30 times the wall's
speed, against the offline driver. What differs there: the moment at which the live one has read its history and made its
first fit, scrapes that take time, and Kubernetes' own delays.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from autoscaler.actuators.balloon import Balloons
from autoscaler.actuators.manifest import BalloonSettings, balloon_job
from autoscaler.control import loop as loops
from autoscaler.control.loop import Loop
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.kube import trim
from autoscaler.kube.client import Kube
from autoscaler.kube.objects import Key, Object
from autoscaler.kube.scale import Scale
from autoscaler.kube.watches import Watches
from autoscaler.records.writer import Recorder
from autoscaler.scaler.board import Board
from autoscaler.sources.scrape import Scraper
from crds.notation.selectors import parse
from crds.workload import Workload
from forecasting.fit import fit
from policies.engine import GRID_SECONDS
from policies.model import Fan, Inputs, PodSample, State, StepResult
from replay.contenders.contender import Periodic
from replay.contenders.outrider import SCRAPE_SECONDS, Outrider, history
from replay.contenders.view import View
from replay.driver import Outcome, run
from replay.scenario.build import PastKind
from replay.scenario.scenario import Scenario
from replay.sim.views import BalloonView
from replay.simcluster import objects
from tests.replay.demo.live import a_pair, logged, the_scenario, the_workload
from tests.support.fake_clock import FakeClock, settle

ADDRESS = "127.77.0.2"
Ticks = dict[float, int]  # desired replicas at each tick of the decision grid


@dataclass(frozen=True)
class Moment:
    """What a contender's duty finds as it acts. `scraped` is None where it does not scrape."""

    at_seconds: float
    replicas: int
    pods: Sequence[Object]
    jobs: Sequence[Object]
    scraped: Sequence[PodSample] | None


class Filmed:
    """A contender whose every moment is kept, as the live controller would find it."""

    def __init__(self, contender: Outrider, workload: Workload) -> None:
        self.moments = list[Moment]()
        self._contender, self._workload = contender, workload

    def attach(self, view: View) -> list[Periodic]:
        self._deployment = objects.deployment(self._workload, view.now_seconds)
        return [replace(duty, act=partial(self._act, view, duty)) for duty in self._contender.attach(view)]

    def _act(self, view: View, duty: Periodic, now_seconds: float) -> None:
        balloons = [balloon for balloon in view.balloons() if balloon.ended is None]
        jobs = [self._job(balloon) for balloon in balloons]
        pods = [objects.replica(self._deployment, pod, ADDRESS) for pod in view.pods()]
        pods += [objects.balloon(job, balloon, ADDRESS) for job, balloon in zip(jobs, balloons, strict=True)]
        self.moments.append(
            Moment(
                now_seconds,
                view.spec_replicas,
                [trim.pod(pod) for pod in pods],
                [trim.job(job) for job in jobs],
                view.readings().judged(self._workload.policy.queue_wait_seconds)
                if duty.period_seconds == SCRAPE_SECONDS
                else None,
            )
        )
        duty.act(now_seconds)

    def _job(self, view: BalloonView) -> dict[str, Any]:
        slot = int(view.name.rpartition("-")[2])
        job = balloon_job(self._workload, self._deployment["spec"]["template"], slot, BalloonSettings(max_balloons=10))
        return {**job, "metadata": {**job["metadata"], "uid": view.name}}


async def decided_live(
    scenario: Scenario, workload: Workload, moments: Sequence[Moment]
) -> list[tuple[float, StepResult]]:
    """What the live loop decides of what the moments show, and when."""
    clock = FakeClock(scenario.start_seconds)
    scraper = Scraper(clock)
    watches = Watches(cast(Kube, None), clock, random.Random(0), None)  # nothing is asked of the API
    watches.follow([workload.namespace])
    actuators = (Balloons(cast(Kube, None), watches, BalloonSettings(max_balloons=10)),)
    runtime = PolicyRuntime(workload, State(), watches, actuators, clock.now())
    runtime.remember(history(scenario.past), clock.now())
    runtime.begin(clock.now())
    loop = Loop({runtime.key: runtime}, lambda _pod: (runtime.key,), scraper, Board(clock), Recorder(None), clock)
    decided: list[tuple[float, StepResult]] = []

    def keep() -> None:
        assert runtime.result is not None
        decided.append((clock.now(), runtime.result))
        if clock.now() % GRID_SECONDS == 0 and (due := runtime.fit_due(clock.now())) is not None:
            runtime.adopt_fit(fit(*due), clock.now())

    runtime.subscribe(keep)
    running = asyncio.create_task(loop.run())
    for moment in moments:
        runtime.offer_scale(Scale(moment.replicas, parse(f"app={workload.target.name}")), clock.now())
        watches.pods(workload.namespace).replace(moment.pods)
        watches.jobs(workload.namespace).replace(moment.jobs)
        await clock.advance(moment.at_seconds - clock.now())
        if moment.scraped is not None:
            scraper.latest.clear()
            for sample in moment.scraped:
                scraper.accept(Key(workload.namespace, sample.pod), sample)
            await settle()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return decided


@pytest.mark.parametrize(("past", "attainment"), [("trace", 0.99), ("none", 0.9)])
async def test_the_live_loop_decides_what_replay_decides(
    past: PastKind, attainment: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes up to 2 s, most of it two fits of a week. Without a past, with less headroom, it answers between two ticks."""
    monkeypatch.setattr(loops, "ROUND_SECONDS", 0.0)  # offline, a round of scrapes takes no time
    scenario, workload = the_scenario(start="12m", duration="12m", past=past), the_workload()
    workload = replace(workload, policy=replace(workload.policy, attainment=attainment))
    offline: list[tuple[float, StepResult]] = []
    forecasts: list[Fan | None] = []

    def watch(_before: State, inputs: Inputs, result: StepResult) -> None:
        offline.append((inputs.now_seconds, result))
        forecasts.append(inputs.fan)

    filmed = Filmed(Outrider(workload.policy, workload.cold_start, scenario.past, watch=watch), workload)
    run(scenario, filmed)
    live = await decided_live(scenario, workload, filmed.moments)
    assert len({result.plan.desired_replicas for _, result in offline if result.plan is not None}) > 3
    assert any(forecasts if past == "trace" else [at % GRID_SECONDS for at, _ in offline])
    for ours, theirs in zip(live, offline, strict=True):
        assert ours == theirs


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

    outcome = run(scenario, Outrider(the_workload().policy, the_workload().cold_start, scenario.past, watch=watch))
    return Both(live, offline, pair.outcome, outcome)


@pytest.mark.realtime
def test_the_whole_sample_agrees(tmp_path: Path) -> None:
    both = _both(the_scenario(), tmp_path)
    agreement = f"{both.within_one:.1%} of the ticks within one replica, GPU-hours {both.gpu_hours_apart:.2%} apart"
    print(agreement)
    assert both.within_one >= 0.95, agreement
    assert both.gpu_hours_apart <= 0.02, agreement
