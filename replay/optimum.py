"""The search for the cheapest schedule of one who knows the traffic: each is replayed, and the cheapest that attains enough stands."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from crds.workload import Workload
from replay.contenders import clairvoyant
from replay.contenders.clairvoyant import Fixed, Plan, Schedule
from replay.contenders.schedule import Counts, billed_seconds, cheapest
from replay.driver import Outcome
from replay.frontier import Costed, at_attainment
from replay.runs import Play, Progress, Run, here, outcomes
from replay.scenario.scenario import Scenario

DENSEST, SPARSEST, RATIO = 1.4, 0.5, 1.02  # target utilisations
WINDOWS_SECONDS = (
    (120.0, 120.0),
    (30.0, 30.0),
    (60.0, 120.0),
    (120.0, 5.0),
    (300.0, 300.0),
)  # the first is searched whole
WORTH = 0.005  # of the cost: what may save less is not tried
MOST_RUNS = 24  # for one attainment; 10 to 18 as a rule


@dataclass(frozen=True, slots=True, eq=False)
class Optimum(Costed):
    """The cheapest schedule found, and what it came to: an upper bound of the optimum."""

    plan: Plan | Fixed
    schedule: Schedule
    outcome: Outcome

    def ratio(self, outcome: Outcome) -> float:
        """GPU-hours of another outcome on the same scenario, as a multiple of these."""
        return outcome.score.gpu_hours / self.gpu_hours


def best(
    scenario: Scenario,
    workload: Workload,
    attainments: Sequence[float],
    *,
    play: Play = here,
    progress: Progress = lambda _name, _done, _most: None,
    done: int = 0,
    most: int = 0,
) -> tuple[Optimum | None, ...]:
    """The cheapest schedule found for each share of the requests within the SLO's wait; None where none that was tried attains it.

    One replay serves all the shares. For the progress, `done` runs came before, and there are `most` in all.
    """
    search = _Search(scenario, workload, play, progress, done, max(most, done + MOST_RUNS * len(attainments)))
    for attainment in attainments:
        search.run(attainment)
    return tuple(search.cheapest(attainment) for attainment in attainments)


@dataclass
class _Search:
    scenario: Scenario
    workload: Workload
    play: Play
    progress: Progress
    done: int
    most: int
    _counts: dict[Plan | Fixed, Counts] = field(default_factory=dict)
    _found: dict[bytes, Optimum] = field(default_factory=dict)  # by the counts, which many plans may share

    def __post_init__(self) -> None:
        self._work = clairvoyant.arriving_work(self.scenario)
        self._billing = clairvoyant.billing(self.scenario)
        steps = round(np.log(DENSEST / SPARSEST) / np.log(RATIO))
        utilisations = [SPARSEST * RATIO**step for step in range(steps + 1)]
        # Each from dear to cheap.
        self._smooth = [[Plan(*window, share) for share in utilisations] for window in WINDOWS_SECONDS]
        policy = self.workload.policy
        largest = max(policy.min_replicas, min(policy.max_replicas, int(np.ceil(self._work.max() / SPARSEST))))
        self._fixed = [Fixed(count) for count in range(largest, policy.min_replicas - 1, -1)]

    def run(self, attainment: float) -> None:
        """One family of plans is halved until its cheapest that attains is known; all are then tried just below it."""
        last = len(self._found) + MOST_RUNS

        def fails(plan: Plan | Fixed) -> bool:
            return self._played([plan])[0].attainment < attainment

        bisect_left(self._smooth[0], True, key=fails)
        if self.cheapest(attainment) is None and not fails(self._fixed[0]):
            bisect_left(self._fixed, True, key=fails)
        families: list[Sequence[Plan | Fixed]] = [*self._smooth, self._fixed]
        while (incumbent := self.cheapest(attainment)) and len(self._found) + len(families) <= last:
            tries = [self._cheaper(family, incumbent, attainment) for family in families]
            if not any(tries):
                break
            self._played(plan for plan in tries if plan)

    def cheapest(self, attainment: float) -> Optimum | None:
        """Of all that have been played so far, whatever they were tried for."""
        return at_attainment(self._found.values(), attainment)

    def _cheaper(self, family: Sequence[Plan | Fixed], incumbent: Optimum, attainment: float) -> Plan | Fixed | None:
        """The plan to try next: the dearest that is worth it. None where that has failed, or the family ends."""
        worth_gpu_hours = incumbent.gpu_hours * (1.0 - WORTH)
        at = bisect_right(family, -worth_gpu_hours, key=lambda plan: -self._expected_gpu_hours(plan))
        for plan in family[at:]:
            known = self._found.get(self._replicas(plan).tobytes())
            if known is None:
                return plan
            if known.attainment < attainment:
                return None
        return None

    def _replicas(self, plan: Plan | Fixed) -> Counts:
        if plan not in self._counts:
            needed = clairvoyant.bounded(plan.needed(self._work), self.workload.policy)
            self._counts[plan] = cheapest(needed, self.scenario.initial_replicas, self._billing)
        return self._counts[plan]

    def _expected_gpu_hours(self, plan: Plan | Fixed) -> float:
        seconds = billed_seconds(self._replicas(plan), self.scenario.initial_replicas, self._billing)
        return seconds * self.scenario.hardware.gpus_per_replica / 3600.0

    def _played(self, plans: Iterable[Plan | Fixed]) -> list[Optimum]:
        keyed = {self._replicas(plan).tobytes(): plan for plan in plans}
        runs = {}
        for key, plan in keyed.items():
            if key not in self._found:
                schedule = clairvoyant.asked_ahead(self._replicas(plan), self.scenario)
                entry = clairvoyant.entry(plan, schedule)
                runs[Run(entry.name, entry, self.scenario, self.workload)] = key, plan, schedule
        for run, outcome in outcomes(
            tuple(runs), self.play, self.progress, self.done + len(self._found), self.most
        ).items():
            key, plan, schedule = runs[run]
            self._found[key] = Optimum(plan, schedule, outcome)
        return [self._found[key] for key in keyed]
