"""Outrider as a contender: the pilot that the live controller runs, its balloons, and the HPA that follows its number."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from crds.schedules import windows
from forecasting.fit import fit
from forecasting.pilot import Past, Pilot
from policies.engine import GRID_SECONDS, restarted
from policies.ladder import Rung, lead_seconds
from policies.model import Inputs, Plan, PodSample, Policy, Window
from replay.contenders.contender import Entry, Periodic, Setup, Watch
from replay.contenders.hpa_on_metric import follow
from replay.contenders.view import View
from replay.sim.agenda import aligned
from replay.sim.hpa import SYNC_PHASE_SECONDS, SYNC_SECONDS, Behavior, Hpa, HpaPolicy, Rules, Unit
from replay.traces.trace import Totals

SCRAPE_SECONDS = 2.0
BALLOON_DEADLINE_SECONDS = 1800.0
AT_ONCE = HpaPolicy(Unit.PODS, 10_000, 1.0)
ALL_AT_ONCE = HpaPolicy(Unit.PERCENT, 100, 1.0)
EXACT = Behavior(up=Rules(0.0, (AT_ONCE,), tolerance=0.0), down=Rules(0.0, (ALL_AT_ONCE,), tolerance=0.0))


@dataclass
class Outrider:
    """One policy at work. `windows` resolves the policy's schedules at a time. `watch` is called with every decision."""

    policy: Policy
    past: Totals | None = None
    windows: Callable[[float], tuple[Window, ...]] = lambda _now: ()
    watch: Watch = lambda _inputs, _result: None
    _latest: dict[str, PodSample] = field(default_factory=dict)
    _desired: int | None = None

    def attach(self, view: View) -> Sequence[Periodic]:
        """Take control of a cluster."""
        start = view.now_seconds
        self._view = view
        self._pilot = opening(self.policy, self.past, start)
        self._hpa = Hpa(self.policy.min_replicas, self.policy.max_replicas, EXACT)
        return (
            Periodic(aligned(start, GRID_SECONDS), GRID_SECONDS, self._tick),
            Periodic(aligned(start, SCRAPE_SECONDS), SCRAPE_SECONDS, self._scrape),
            Periodic(aligned(start, SYNC_SECONDS, SYNC_PHASE_SECONDS), SYNC_SECONDS, self._sync),
        )

    def _scrape(self, now_seconds: float) -> None:
        self._latest = {sample.pod: sample for sample in self._view.samples()}
        if self._pilot.urgent(self._inputs(now_seconds, on_grid=False)):
            self._decide(now_seconds, on_grid=False)

    def _tick(self, now_seconds: float) -> None:
        self._decide(now_seconds, on_grid=True)
        due = self._pilot.forecaster.fit_due(now_seconds)
        if due is not None:
            self._pilot.forecaster.adopt(fit(due), now_seconds)

    def _decide(self, now_seconds: float, *, on_grid: bool) -> None:
        inputs, result = self._pilot.decide(self._inputs(now_seconds, on_grid=on_grid))
        self.watch(inputs, result)
        if result.plan is not None:
            self._desired = result.plan.desired_replicas
            self._prepare(result.plan)

    def _inputs(self, now_seconds: float, *, on_grid: bool) -> Inputs:
        supply = self._view.supply()
        samples = tuple(sample for _, sample in sorted(self._latest.items()))
        return Inputs(now_seconds, on_grid, samples, supply, windows=self.windows(now_seconds))

    def _sync(self, now_seconds: float) -> None:
        usage = None if self._desired is None else float(self._desired)
        follow(self._view, self._hpa, now_seconds, usage, 1.0)

    def _prepare(self, plan: Plan) -> None:
        """As the balloon actuator does: ended ones go, what prepares goes before what is ready, then the newest."""
        held = list(self._view.balloons())
        alive = sorted(
            (each for each in held if each.ended is None),
            key=lambda each: (not each.running, each.created_seconds, each.name),
        )
        kept = {each.name for each in alive[: plan.prepared_nodes]}
        for each in held:
            if each.name not in kept:
                self._view.delete_balloon(each.name)
        slots = (f"balloon-{slot}" for slot in range(self.policy.max_prepared_nodes))
        free = [name for name in slots if name not in kept]
        for name in free[: plan.prepared_nodes - len(kept)]:
            self._view.create_balloon(name, BALLOON_DEADLINE_SECONDS)


def opening(policy: Policy, past: Totals | None, start_seconds: float) -> Pilot:
    """The pilot as it starts a scenario: it has lived through the past, and what runs is held as after a restart."""
    pilot = Pilot(policy)
    pilot.remember(history(past))
    pilot.state = restarted(policy, pilot.state, start_seconds)
    return pilot


def history(past: Totals | None) -> Iterable[Past]:
    """The scenario's past as the live controller reads it back: rates at the end of each bin."""
    if past is None:
        return
    step = past.step_seconds
    rates = np.stack((past.requests, past.prompt_tokens, past.output_tokens)) / step
    for index, (requests, prompt, output) in enumerate(rates.T):
        if not np.isnan(requests):
            at = past.start_seconds + (index + 1) * step
            yield Past(at, None, None, float(requests), float(prompt), float(output))


def _make(setup: Setup) -> Outrider:
    policy, schedules = setup.workload.policy, setup.workload.schedules
    ahead_seconds = lead_seconds(policy, Rung.REQUESTED)
    return Outrider(policy, setup.past, lambda now_seconds: windows(schedules, now_seconds, ahead_seconds), setup.watch)


ENTRY = Entry("outrider", "Outrider", "green", make=_make)
