"""A schedule of replicas made by someone who knows the traffic to come: what the others' cost is measured by.

It is an upper bound of the least possible cost, not that itself. The cheapest cover of a need is exact (see `schedule`),
but the need is one of a small family: work of the arrivals, smoothed over a window, at a target utilisation. Each schedule
is replayed like any contender's, and of those that attain enough the cheapest stands. A cleverer one may be cheaper still.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from crds.workload import Workload
from policies.ladder import lead_seconds
from policies.supply import Rung
from replay.contenders.contender import Entry, Periodic, Setup
from replay.contenders.schedule import Billing, Counts, billed_seconds, cheapest
from replay.contenders.view import View
from replay.driver import Outcome
from replay.frontier import Costed, at_attainment
from replay.runs import Play, Progress, Run, here, outcomes
from replay.scenario.scenario import Hardware, Scenario

STEP_SECONDS = 5.0
WINDOWS = ((15.0, 15.0), (60.0, 15.0), (60.0, 60.0), (120.0, 120.0))  # mean over the first, then most within the second
DENSEST, SPARSEST, PER_STEP = 1.3, 0.3, 1.04  # target utilisations, in steps of 4 %


@dataclass(frozen=True, slots=True)
class Plan:
    """How a schedule is derived from the work that arrives."""

    mean_seconds: float
    most_seconds: float
    utilisation: float  # of replicas with full batches

    @property
    def key(self) -> str:
        """Unique among the plans of a scenario."""
        return f"clairvoyant {self.mean_seconds:g}/{self.most_seconds:g} s at {self.utilisation:.3f}"


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """What `spec.replicas` becomes, and when. Both arrays are of one length, times ascending, in Unix seconds."""

    seconds: NDArray[np.float64]
    replicas: Counts


@dataclass
class Follower:
    """The contender: it writes what the schedule says."""

    schedule: Schedule

    def attach(self, view: View) -> Sequence[Periodic]:
        """Take control of a cluster."""
        self._view = view
        self._next = 0
        self._duty = Periodic(float(self.schedule.seconds[0]), math.inf, self._follow)
        return (self._duty,)

    def _follow(self, now_seconds: float) -> None:
        self._view.scale(int(self.schedule.replicas[self._next]))
        self._next += 1
        later = self.schedule.seconds[self._next :]
        self._duty.period_seconds = float(later[0]) - now_seconds if len(later) else math.inf


@dataclass(frozen=True, slots=True, eq=False)
class Played(Costed):
    """A schedule, and what it came to. `gpu_hours` and `attainment` are those of the outcome."""

    plan: Plan
    schedule: Schedule
    outcome: Outcome


def best(
    scenario: Scenario,
    workload: Workload,
    attainments: Sequence[float],
    *,
    play: Play = here,
    progress: Progress = lambda _name, _done, _most: None,
) -> tuple[Played | None, ...]:
    """For each attainment asked for, the cheapest schedule found that attains it; None where none that was tried does.

    An attainment is a share of the requests within the SLO's wait. All are searched for together, as one replay serves all.
    """
    search = _Search(scenario, workload, play, progress)
    return tuple(search.found(attainments))
