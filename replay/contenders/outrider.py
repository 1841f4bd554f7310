"""Outrider as a contender: the decider that the live controller runs, its balloons, and the HPA that follows its number."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from crds.schedules import windows
from forecasting.fit import fit
from forecasting.forecaster import Forecaster
from forecasting.worth import Law
from policies.backfill import Past
from policies.balloons import Held, count_awaited, count_wanted, plan_moves
from policies.decider import Decider
from policies.engine import GRID_SECONDS, Proposal
from policies.ladder import lead_seconds
from policies.model import Grant, Inputs, Plan, Policy, Window
from policies.supply import ColdStart, Rung, Supply
from replay.contenders.contender import Entry, Periodic, Setup, Watch
from replay.contenders.hpa_on_metric import follow
from replay.contenders.starts import Starts
from replay.contenders.view import View
from replay.sim.agenda import aligned
from replay.sim.hpa import SYNC_PHASE_SECONDS, SYNC_SECONDS, Behavior, Hpa, HpaPolicy, Rules, Unit
from replay.sim.readings import Marks, Readings
from replay.sim.views import BalloonView
from replay.traces.trace import Totals

SCRAPE_SECONDS = 2.0
LEARN_PHASE_SECONDS = 9.0  # after a tick: the live controller does it from 3 to 15 s after one
BALLOON_DEADLINE_SECONDS = 1800.0
BALLOON = "balloon-"  # and the slot: the name of a balloon
AT_ONCE = HpaPolicy(Unit.PODS, 10_000, 1.0)
ALL_AT_ONCE = HpaPolicy(Unit.PERCENT, 100, 1.0)
EXACT = Behavior(up=Rules(0.0, (AT_ONCE,), tolerance=0.0), down=Rules(0.0, (ALL_AT_ONCE,), tolerance=0.0))


@dataclass
class Outrider:
    """One policy at work. `windows` resolves the policy's schedules at a time, with the lead of a cold start.

    `watch` is called with every decision. With `learns`, `cold_start` is what is stated, until starts were seen.
    """

    policy: Policy
    cold_start: ColdStart
    past: Totals | None = None
    windows: Callable[[float, float], tuple[Window, ...]] = lambda _now, _lead: ()
    watch: Watch = lambda _before, _inputs, _result: None
    learns: bool = True
    _latest: Readings | None = None
    _marks: Marks = field(default_factory=lambda: Marks(()))
    _desired: int | None = None

    def attach(self, view: View) -> Sequence[Periodic]:
        """Take control of a cluster."""
        start = view.now_seconds
        self.begin(view)
        duties = (
            Periodic(aligned(start, GRID_SECONDS), GRID_SECONDS, self._tick),
            Periodic(aligned(start, SCRAPE_SECONDS), SCRAPE_SECONDS, self._scrape),
            Periodic(aligned(start, SYNC_SECONDS, SYNC_PHASE_SECONDS), SYNC_SECONDS, self.sync),
        )
        learning = Periodic(aligned(start, GRID_SECONDS, LEARN_PHASE_SECONDS), GRID_SECONDS, self.learn)
        return (*duties, learning) if self.learns else duties

    def begin(self, view: View) -> None:
        """Look at a cluster for the first time. Who takes the turns himself, as a pool does, begins so."""
        start = view.now_seconds
        self._view = view
        self._decider = Decider(self.policy, Forecaster())
        self._starts = Starts(view, self.cold_start)
        self._decider.remember(history(self.past), start)
        self._decider.restart(self.cold_start, start)
        self._hpa = Hpa(self.policy.min_replicas, self.policy.max_replicas, EXACT)

    @property
    def learned(self) -> ColdStart:
        """The cold start that it decides with now."""
        return self._starts.cold_start

    def learn(self, now_seconds: float) -> None:
        """Take up the starts that have ended."""
        self._starts.look(now_seconds)

    def _scrape(self, now_seconds: float) -> None:
        if self.scrape(now_seconds):
            self._decide(now_seconds, on_grid=False)

    def scrape(self, now_seconds: float) -> bool:
        """Read the pods' metrics. Whether a decision may be urgent."""
        self._latest = self._view.readings()
        filters = self._decider.state.filters
        if self._marks.marks is not filters.marks:
            self._marks = Marks(filters.marks)
        sums = self._latest.sums(filters, self._marks)
        return not self._decider.calm(sums, len(self._latest), now_seconds)

    def _tick(self, now_seconds: float) -> None:
        self._decide(now_seconds, on_grid=True)
        self.fit(now_seconds)

    def fit(self, now_seconds: float) -> None:
        """Fit the forecast where that is due, after a decision on the grid."""
        due = self._decider.forecaster.fit_due(now_seconds)
        if due is not None:
            self._decider.forecaster.adopt(fit(due, Law.of(self.policy, self._starts.cold_start)), now_seconds)

    def _decide(self, now_seconds: float, *, on_grid: bool) -> None:
        proposal = self.propose(now_seconds, on_grid=on_grid)
        if proposal is not None:
            self.settle(proposal, proposal.asked)

    def propose(self, now_seconds: float, *, on_grid: bool) -> Proposal | None:
        """What it asks for; None between two ticks if nothing is urgent."""
        return self._decider.propose(self._inputs(now_seconds, on_grid=on_grid))

    def settle(self, proposal: Proposal, grant: Grant | None) -> Plan | None:
        """Carry out what was granted of the latest proposal. None where nothing is decided yet."""
        before = self._decider.state
        result = self._decider.settle(proposal, grant)
        self.watch(before, proposal.inputs, result)
        if result.plan is not None:
            self._desired = result.plan.desired_replicas
            self._prepare(result.plan, proposal.inputs.supply)
        return result.plan

    def _inputs(self, now_seconds: float, *, on_grid: bool) -> Inputs:
        supply = self._view.supply()
        samples = () if self._latest is None else self._latest.judged(self.policy.queue_wait_seconds)
        samples = tuple(sorted(samples, key=lambda sample: sample.pod))
        cold_start = self._starts.cold_start
        ahead = self.windows(now_seconds, lead_seconds(cold_start, Rung.REQUESTED))
        return Inputs(now_seconds, on_grid, samples, supply, cold_start, windows=ahead)

    def sync(self, now_seconds: float) -> None:
        """Have the HPA follow the decision."""
        usage = None if self._desired is None else float(self._desired)
        follow(self._view, self._hpa, now_seconds, usage, 1.0)

    def _prepare(self, plan: Plan, supply: Supply | None) -> None:
        """As the balloon actuator does, but for the cluster-wide cap: one workload has the cluster to itself."""
        slots = self.policy.max_prepared_nodes
        views = self._view.balloons()
        wanted, awaited = count_wanted(plan, supply), count_awaited(plan, supply)
        seen = [held(view) for view in views]
        moves = plan_moves(seen, wanted, awaited, slots, slots, self._view.now_seconds)
        for at in moves.delete:
            self._view.delete_balloon(views[at].name)
        for slot in moves.create_slots:
            self._view.create_balloon(f"{BALLOON}{slot}", BALLOON_DEADLINE_SECONDS)


def held(view: BalloonView) -> Held:
    """A simulated balloon as the balloon rules see it. It ends by its deadline or by preemption; none of them breaks."""
    return Held(
        slot=int(view.name.removeprefix(BALLOON)),
        created_seconds=view.created_seconds,
        placed=view.node is not None,
        prepared=view.running,
        ended_seconds=None if view.ended is None else view.deadline_seconds,
    )


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


def make(setup: Setup) -> Outrider:
    """Outrider with the workload's policy."""
    workload = setup.workload
    return Outrider(
        workload.policy,
        workload.cold_start,
        setup.past,
        partial(windows, workload.schedules),
        setup.watch,
    )


def make_stated(setup: Setup) -> Outrider:
    """The same, but that it decides with the stated cold start whatever is seen."""
    return replace(make(setup), learns=False)


ENTRY = Entry("outrider", "Outrider", "green", make=make)
