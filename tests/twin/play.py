"""Plays a load through the real parser, the worker's inputs and the core, tick by tick."""

import contextlib
import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random
from typing import cast

from autoscaler.control.runtime import PolicyRuntime
from autoscaler.kube.client import Kube
from autoscaler.kube.objects import Key
from autoscaler.kube.scale import Scale
from autoscaler.kube.watches import Watches
from autoscaler.sources.errors import SourceError
from autoscaler.sources.scrape import Scraper
from autoscaler.sources.vllm import parse
from crds.notation.selectors import parse as selector
from policies.backfill import Past
from policies.codec import decode, encode
from policies.model import Demand, Plan, PodSample, State
from tests.support.fake_clock import FakeClock
from tests.twin.faults import Fault, Paused, Restart, SupplyUnknown
from tests.twin.fleet import AGE_SECONDS, SELECTOR, Fleet, now_of
from tests.twin.load import STEP_SECONDS, STEPS, Load
from tests.twin.pod import LATE_AFTER_SECONDS

NAMESPACE = "ns"
_NOT_FINITE = re.compile(r"\b(nan|inf)\b")


@dataclass(frozen=True)
class Moment:
    """What a tick gave. None: there was no decision."""

    tick: int
    desired: int
    state: State
    demand: Demand
    plan: Plan
    queue: int  # requests that truly wait


class Controller:
    """One that decides on a fleet. `copy` forks it."""

    def __init__(self, load: Load, state: State) -> None:
        self._load = load
        self._clock_seconds = 0.0  # by how much its clock is off
        self._begin(state)

    def _begin(self, state: State) -> None:
        clock = FakeClock(now_of(0))
        self._watches = Watches(cast(Kube, None), clock, Random(1), None)
        self._watches.follow([NAMESPACE])
        self._scraper = Scraper(clock)
        self.runtime = PolicyRuntime(self._load.workload, state, self._watches, [], now_of(0))

    def copy(self) -> "Controller":
        """Another one that goes on from here."""
        other = Controller(self._load, self.runtime.state)
        other._scraper.latest.update(self._scraper.latest)
        return other

    def decide(self, fleet: Fleet, tick: int, faults: Sequence[Fault] = ()) -> Moment | None:
        """A list of pods, scrapes and a decision, as far as the faults let it."""
        if any(isinstance(each, Restart) and tick == each.start for each in faults):
            self._saved = encode(self.runtime.state)
        for each in faults:
            if isinstance(each, Restart | Paused) and each.start <= tick < each.end:
                return None
            if isinstance(each, Restart) and tick == each.end:
                self._restart(each, fleet, tick)
        now = now_of(tick) + self._clock_seconds
        store = self._watches.pods(NAMESPACE)
        objects = list(fleet.objects(now_of(tick)))
        count = len(objects)
        for each in faults:
            objects = each.listed(objects, tick)
        store.replace(objects)
        away = any(isinstance(each, SupplyUnknown) and each.on(tick) for each in faults)
        store.stale_since = now - 100.0 if away else None
        if not away:
            self.runtime.offer_scale(_scale(fleet.spec_replicas, max(count, len(objects))), now)
        self._scrape(fleet, tick, now, faults)
        inputs = self.runtime.inputs(self._scraper.latest, now, on_grid=True)
        proposal = self.runtime.propose(inputs)
        assert proposal is not None
        result = self.runtime.settle(proposal, proposal.asked)
        if result.plan is None:
            return None
        return Moment(tick, result.plan.desired_replicas, result.state, result.demand, result.plan, fleet.queue)

    def _scrape(self, fleet: Fleet, tick: int, now: float, faults: Sequence[Fault]) -> None:
        endpoints = self.runtime.endpoints()
        self._scraper.targets(endpoints)
        serving = {pod.name: pod for pod in fleet.serving(now_of(tick) - AGE_SECONDS)}
        for key in endpoints:
            if key.name not in serving:
                if key.name.startswith("router"):
                    self._accept(key, b"# a router\nrouter_requests_total 17\n", now)
                continue
            pod = serving[key.name]
            own = [each for each in faults if each.hits(key.name)]
            # Whoever sees no fault sees what those that hung up took, too.
            series, started = (pod if faults else replace(pod, hung_up=0)).series(), pod.started_seconds
            for each in own:
                series = each.page(pod, series, tick)
                started = max(started, each.started(pod, tick))
            body: bytes | None = pod.page(series, started)
            for each in own:
                body = None if body is None else each.body(pod, body, fleet, tick)
            if body is not None:
                self._accept(key, body, now)

    def _accept(self, key: Key, body: bytes, now: float) -> None:
        with contextlib.suppress(SourceError):  # the last sample stays, and ages
            self._scraper.accept(key, _parsed(body, key.name, now - AGE_SECONDS))

    def _restart(self, fault: Restart, fleet: Fleet, tick: int) -> None:
        self._clock_seconds = fault.clock_seconds
        self._begin(decode(State, self._saved))
        now = now_of(tick) + self._clock_seconds
        self.runtime.offer_scale(_scale(fleet.spec_replicas, len(fleet.pods)), now)
        if fault.history_share is not None:
            self.runtime.remember(self._history(fault.history_share, tick), now)
        self.runtime.begin(now)

    def _history(self, share: float, tick: int) -> list[Past]:
        """A minute's mean rates in the last 25 min, of which the share is seen."""
        load, found = self._load, []
        for minute in range(25, 0, -1):
            last = (tick + 1 - 4 * (minute - 1)) * STEPS
            counts = load.arrivals[max(0, last - 4 * STEPS) : last]
            rate = share * sum(counts) / (len(counts) * STEP_SECONDS)
            running = rate * load.latency_seconds
            found.append(
                Past(
                    now_of(tick) + self._clock_seconds - 60.0 * (minute - 1),
                    running,
                    0.0,
                    rate,
                    rate * load.prompt_tokens,
                    rate * load.generation_tokens,
                )
            )
        return found


class Twin:
    """One of the two: a fleet and the controller that it follows. `copy` forks it.

    A witness decides beside the controller, without the faults that befall it, and is not followed: it knows what could be
    known of this fleet, which is not that of the other twin once the two have decided differently.
    """

    def __init__(self, fleet: Fleet, controller: Controller, *, witnessed: bool = False) -> None:
        self.fleet = fleet
        self.controller = controller
        self._witness = controller.copy() if witnessed else None
        self.witnessed: list[Moment | None] = []

    def copy(self, *, witnessed: bool = False) -> "Twin":
        """Another one that goes on from here."""
        return Twin(copy.deepcopy(self.fleet), self.controller.copy(), witnessed=witnessed)

    def tick(self, tick: int, faults: Sequence[Fault] = (), *, beside: Sequence[Fault] = ()) -> Moment | None:
        """One tick: traffic, scrapes, a decision. `beside`: faults whose part that also befalls a clean twin is played."""
        for each in (*faults, *beside):
            each.both(self.fleet, tick)
        for each in faults:
            each.traffic(self.fleet, tick)
        self.fleet.advance()
        if self._witness is not None:
            self.witnessed.append(self._witness.decide(self.fleet, tick))
        moment = self.controller.decide(self.fleet, tick, faults)
        if moment is not None:
            self.fleet.scale(moment.desired, now_of(tick))
        return moment


@lru_cache(maxsize=20_000)
def _parsed(body: bytes, pod: str, at_seconds: float) -> PodSample:
    """Twins of one load show the same page as long as they decide the same, and a witness nearly always."""
    return parse(body, pod, at_seconds, LATE_AFTER_SECONDS)


def _scale(spec: int, status: int) -> Scale:
    return Scale(spec, selector(SELECTOR), status)


def finite(state: State) -> bool:
    """Whether no number in a state is infinite or NaN."""
    return _NOT_FINITE.search(repr(state)) is None
