"""The same traffic, live and offline, gives the same decisions.

In virtual time: what the offline contender finds whenever it acts is shown to the live loop, as objects of the Kubernetes
API and as scraped samples. No decision may differ, in anything. What it leaves out: reading history, fitting in another
process, and acting.

In real time: a simulated cluster and the controller as two processes that meet on real protocols, at 30 times the wall's
speed, against the offline driver. What differs there: the moment at which the live one has read its history and made its
first fit, scrapes that take time, and Kubernetes' own delays. So it asks for its first nodes a tick later or sooner, and other nodes
take other times: neither learns cold starts here, or the few that they see first would lead them apart (virtual time has that).
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
from autoscaler.control.model_caches import ModelCaches
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.control.starting import StartObserver
from autoscaler.control.ways import Ways
from autoscaler.kube import trim
from autoscaler.kube.client import Kube
from autoscaler.kube.objects import Key, Object, key
from autoscaler.kube.scale import Scale
from autoscaler.kube.store import Store
from autoscaler.kube.watches import Watches
from autoscaler.records.writer import Recorder
from autoscaler.reporting.events import Events
from autoscaler.scaler.board import Board
from autoscaler.sources.scrape import Scraper
from autoscaler.starts.watches import StartWatches
from crds.notation.selectors import parse
from crds.workload import Workload
from forecasting.fit import fit
from policies.engine import GRID_SECONDS
from policies.ledger import Ledger
from policies.model import Fan, Inputs, PodSample, State, StepResult
from policies.supply import ColdStart
from replay.contenders.contender import Periodic
from replay.contenders.outrider import LEARN_PHASE_SECONDS, SCRAPE_SECONDS, Outrider, history
from replay.contenders.view import View
from replay.driver import Outcome, run
from replay.scenario.build import PastKind
from replay.scenario.scenario import Scenario
from replay.sim.views import BalloonView, NodeView, PodView
from replay.simcluster import objects
from replay.simcluster.kubelet import Kubelet
from replay.simcluster.store import Store as SimulatedStore
from tests.replay.demo.live import a_pair, logged, the_scenario, the_workload
from tests.support.fake_clock import FakeClock, settle

ADDRESS = "127.77.0.2"
IMAGE = objects.deployment(the_workload(), 0.0)["spec"]["template"]["spec"]["containers"][0]["image"]
Decided = tuple[float, StepResult, ColdStart]
Ticks = dict[float, int]  # desired replicas at each tick of the decision grid


class NoEvents:
    """Writes none."""

    async def emit(self, *_: object, **__: object) -> bool:
        """Drop it."""
        return True


@dataclass(frozen=True)
class Moment:
    """What a contender's duty finds as it acts. `scraped` is None where it does not scrape."""

    at_seconds: float
    replicas: int
    pods: Sequence[Object]
    jobs: Sequence[Object]
    nodes: Sequence[NodeView]
    events: Sequence[Object]  # of kubelets, since the moment before
    scraped: Sequence[PodSample] | None
    learns: bool  # it takes up the starts that have ended


class Filmed:
    """A contender whose every moment is kept, as the live controller would find it."""

    def __init__(self, contender: Outrider, workload: Workload) -> None:
        self.moments = list[Moment]()
        self._contender, self._workload = contender, workload
        self._events = list[Object]()

    def attach(self, view: View) -> list[Periodic]:
        self._deployment = objects.deployment(self._workload, view.now_seconds)
        self._kubelet = Kubelet(
            SimulatedStore(), IMAGE, lambda _namespace, event: self._events.append(trim.event(event))
        )
        return [replace(duty, act=partial(self._act, view, duty)) for duty in self._contender.attach(view)]

    def _act(self, view: View, duty: Periodic, now_seconds: float) -> None:
        balloons = [balloon for balloon in view.balloons() if balloon.ended is None]
        jobs = [self._job(balloon) for balloon in balloons]
        pods = [self._replica(pod) for pod in view.pods()]
        pods += [self._balloon(job, balloon) for job, balloon in zip(jobs, balloons, strict=True)]
        events, self._events = self._events, []
        self.moments.append(
            Moment(
                now_seconds,
                view.spec_replicas,
                [trim.pod(pod) for pod in pods],
                [trim.job(job) for job in jobs],
                view.nodes(),
                events,
                view.readings().judged(self._workload.policy.queue_wait_seconds)
                if duty.period_seconds == SCRAPE_SECONDS
                else None,
                learns=now_seconds % GRID_SECONDS == LEARN_PHASE_SECONDS and duty.period_seconds == GRID_SECONDS,
            )
        )
        duty.act(now_seconds)

    def _replica(self, view: PodView) -> Object:
        pod = objects.replica(self._deployment, view, _address(view))
        self._kubelet.report(pod, view.scheduled_seconds, view.image_ready_seconds)
        return pod

    def _balloon(self, job: dict[str, Any], view: BalloonView) -> Object:
        pod = objects.balloon(job, view, _address(view))
        self._kubelet.report(pod, view.scheduled_seconds, view.running_seconds)
        return pod

    def _job(self, view: BalloonView) -> dict[str, Any]:
        slot = int(view.name.rpartition("-")[2])
        job = balloon_job(self._workload, self._deployment["spec"]["template"], slot, BalloonSettings(max_balloons=10))
        return {**job, "metadata": {**job["metadata"], "uid": f"{view.name} of {view.created_seconds}"}}


def _address(view: PodView | BalloonView) -> str | None:
    return None if view.scheduled_seconds is None else ADDRESS


async def show_nodes(nodes: Sequence[NodeView], seen: StartWatches, clock: FakeClock) -> None:
    """Let the live controller's watch see each node as it registers, with its GPUs as they come, and without those that are gone."""
    changes = list[tuple[float, NodeView]]()
    for view in nodes:
        if view.registered_seconds is not None and view.registered_seconds != view.ready_seconds:
            changes.append((view.registered_seconds, replace(view, ready_seconds=None)))
        if view.ready_seconds is not None:
            changes.append((view.ready_seconds, view))
    for at_seconds, view in sorted(changes, key=lambda change: change[0]):
        if view.ready_seconds is not None or seen.node(view.name) is None:
            await clock.advance(max(0.0, at_seconds - clock.now()))
            seen._nodes.put(trim.node(objects.node(view, IMAGE)))
    there = {view.name for view in nodes}
    for gone in [each for each in seen._nodes if key(each).name not in there]:
        seen._nodes.drop(gone)


async def decided_live(scenario: Scenario, workload: Workload, moments: Sequence[Moment]) -> list[Decided]:
    """What the live loop decides of what the moments show, when, and by which cold start."""
    clock = FakeClock(scenario.start_seconds)
    scraper = Scraper(clock)
    watches = Watches(cast(Kube, None), clock, random.Random(0), None)  # nothing is asked of the API
    watches.follow([workload.namespace])
    actuators = (Balloons(cast(Kube, None), watches, BalloonSettings(max_balloons=10)),)
    runtime = PolicyRuntime(workload, State(), watches, actuators, clock.now())
    runtime.remember(history(scenario.past), clock.now())
    runtime.begin(clock.now())
    runtime.offer_template(objects.deployment(workload, clock.now())["spec"]["template"], clock.now())
    seen = StartWatches(cast(Kube, None), clock, random.Random(0), tuple, Store)
    ways = Ways(seen.pulls, watches, ModelCaches(cast(Kube, None)))
    observer = StartObserver(seen, watches, ways, Recorder(None), cast(Events, NoEvents()), clock, Ledger())
    loop = Loop({runtime.key: runtime}, lambda _pod: (runtime.key,), scraper, Board(clock), Recorder(None), clock)
    decided: list[Decided] = []

    def keep() -> None:
        assert runtime.result is not None
        decided.append((clock.now(), runtime.result, runtime.cold_start))
        if clock.now() % GRID_SECONDS == 0 and (due := runtime.fit_due(clock.now())) is not None:
            runtime.adopt_fit(fit(*due), clock.now())

    runtime.subscribe(keep)
    running = asyncio.create_task(loop.run())
    for moment in moments:
        runtime.offer_scale(Scale(moment.replicas, parse(f"app={workload.target.name}")), clock.now())
        watches.pods(workload.namespace).replace(moment.pods)
        watches.jobs(workload.namespace).replace(moment.jobs)
        await show_nodes(moment.nodes, seen, clock)
        for event in moment.events:
            seen.pulls.saw(event, moment.at_seconds)
        await clock.advance(moment.at_seconds - clock.now())
        if moment.learns:
            await observer.run(runtime)
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
    scenario, workload = the_scenario(start="12m", duration="16m", past=past), the_workload()
    workload = replace(workload, policy=replace(workload.policy, attainment=attainment))
    offline: list[Decided] = []
    forecasts: list[Fan | None] = []

    def watch(_before: State, inputs: Inputs, result: StepResult) -> None:
        offline.append((inputs.now_seconds, result, inputs.cold_start))
        forecasts.append(inputs.fan)

    filmed = Filmed(Outrider(workload.policy, workload.cold_start, scenario.past, watch=watch), workload)
    run(scenario, filmed)
    live = await decided_live(scenario, workload, filmed.moments)
    assert len({result.plan.desired_replicas for _, result, _ in offline if result.plan is not None}) > 3
    assert any(forecasts if past == "trace" else [at % GRID_SECONDS for at, _, _ in offline])
    assert len({cold_start for _, _, cold_start in offline}) > 3  # it has learned
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
    with a_pair(scenario, folder, learns=False) as pair:
        for _ in pair.frames():
            pass
    assert isinstance(pair.outcome, Outcome)
    live = {
        decision.inputs.now_seconds: decision.plan.desired_replicas
        for decision in logged(pair.decisions)
        if decision.inputs.on_grid and decision.plan is not None
    }
    offline: Ticks = {}

    def watch(_before: State, inputs: Inputs, result: StepResult) -> None:
        if inputs.on_grid and result.plan is not None:
            offline[inputs.now_seconds] = result.plan.desired_replicas

    workload = the_workload()
    ours = Outrider(workload.policy, workload.cold_start, scenario.past, learns=False, watch=watch)
    outcome = run(scenario, ours)
    assert isinstance(pair.outcome, Outcome)
    return Both(live, offline, pair.outcome, outcome)


@pytest.mark.realtime
def test_the_whole_sample_agrees(tmp_path: Path) -> None:
    both = _both(the_scenario(), tmp_path)
    agreement = f"{both.within_one:.1%} of the ticks within one replica, GPU-hours {both.gpu_hours_apart:.2%} apart"
    print(agreement)
    assert both.within_one >= 0.95, agreement
    assert both.gpu_hours_apart <= 0.02, agreement
