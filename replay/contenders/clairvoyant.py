"""A schedule of replicas made with the traffic to come in view: what the cost of every contender is measured by.

Its cost is an upper bound of the least possible one, not that itself. The cheapest cover of a need is exact (`schedule`),
but the need comes from a small grid: the work that arrives, smoothed over a window, at a target utilisation; and fleets of
a fixed size. Each schedule is replayed like any contender, and the cheapest that attains enough stands.

It keeps the policy's minimum and maximum, and no schedule's, which stands for knowledge that it has itself. It asks for a
replica by the median of a cold start in advance: what comes later than that counts in the replay. Asking 15 % earlier
moved the cost by no more than a step of the grid does.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from policies.model import Policy
from replay.contenders.contender import Entry, Periodic, Setup
from replay.contenders.schedule import Billing, Counts
from replay.contenders.view import View
from replay.scenario.scenario import Hardware, Scenario

STEP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How the replicas that are needed follow from the work that arrives. `utilisation` is of replicas with full batches."""

    mean_seconds: float  # the work is its mean over this,
    most_seconds: float  # and of that the most within this
    utilisation: float

    @property
    def key(self) -> str:
        """Unique among the plans of a scenario."""
        return f"{self.mean_seconds:g} s, {self.most_seconds:g} s, {self.utilisation:.3f}"

    def needed(self, work: NDArray[np.float64]) -> NDArray[np.float64]:
        """Replicas in each step."""
        mean = uniform_filter1d(work, max(1, round(self.mean_seconds / STEP_SECONDS)), mode="nearest")
        most = maximum_filter1d(mean, max(1, round(self.most_seconds / STEP_SECONDS)), mode="nearest")
        return np.asarray(most / self.utilisation)


@dataclass(frozen=True, slots=True)
class Fixed:
    """As many replicas all the time."""

    replicas: int

    @property
    def key(self) -> str:
        """Unique among the plans of a scenario."""
        return f"fixed {self.replicas}"

    def needed(self, work: NDArray[np.float64]) -> NDArray[np.float64]:
        """Replicas in each step."""
        return np.full_like(work, self.replicas)


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """What `spec.replicas` becomes, and when: both of one length, by time, in Unix seconds."""

    seconds: NDArray[np.float64]
    replicas: Counts


@dataclass
class Clairvoyant:
    """The contender: it writes what the schedule says."""

    schedule: Schedule

    def attach(self, view: View) -> Sequence[Periodic]:
        """Take control of a cluster."""
        self._view = view
        self._written = 0
        self._duty = Periodic(float(self.schedule.seconds[0]), math.inf, self._write)
        return (self._duty,)

    def _write(self, now_seconds: float) -> None:
        self._view.scale(int(self.schedule.replicas[self._written]))
        self._written += 1
        later = self.schedule.seconds[self._written :]
        self._duty.period_seconds = float(later[0]) - now_seconds if len(later) else math.inf

    def __call__(self, _setup: Setup) -> "Clairvoyant":
        """As the `make` of an entry, bound to the scenario that the schedule was made for."""
        return Clairvoyant(self.schedule)


def entry(plan: Plan | Fixed, schedule: Schedule) -> Entry:
    """The entry that plays a schedule."""
    return Entry(f"clairvoyant {plan.key}", "clairvoyant", "white", make=Clairvoyant(schedule))


def arriving_work(scenario: Scenario) -> NDArray[np.float64]:
    """Replicas with full batches that the arrivals of each step keep busy."""
    steps = max(1, math.ceil(scenario.duration_seconds / STEP_SECONDS))
    requests, engine = scenario.requests, scenario.hardware.engine
    prefill = requests.prompt_tokens / engine.prefill_tokens_per_second
    decode = requests.output_tokens * engine.decode_seconds_per_token
    step = np.minimum(requests.arrival_s / STEP_SECONDS, steps - 1).astype(np.int64)
    work = np.bincount(step, np.maximum(prefill + decode, prefill / engine.prefill_max_share), steps)
    return np.asarray(work / STEP_SECONDS)


def bounded(needed: NDArray[np.float64], policy: Policy) -> Counts:
    """Whole replicas within the policy's bounds."""
    counts = np.ceil(needed - 1e-9).astype(np.int64)
    return np.clip(counts, policy.min_replicas, policy.max_replicas)


def billing(scenario: Scenario) -> Billing:
    """What it costs to start and to stop a replica, by the medians of its cold start and the mean of what drains."""
    hardware = scenario.hardware
    token_seconds = hardware.step_base_seconds + hardware.step_sequence_seconds * hardware.max_num_seqs
    drain_seconds = float(scenario.requests.output_tokens.mean()) * token_seconds
    start_seconds = max(0.0, lead_seconds(hardware) - hardware.reaction_seconds)
    return Billing(STEP_SECONDS, start_seconds, drain_seconds + hardware.node_idle_seconds)


def lead_seconds(hardware: Hardware) -> float:
    """From the request for a replica to its first request, by the medians of the stages."""
    return sum(stage.p50_seconds for stage in hardware.cold_start.stages)


def asked_ahead(counts: Counts, scenario: Scenario) -> Schedule:
    """What to write so that as many replicas serve in each step: each is asked for by its lead in advance."""
    ahead = math.ceil(lead_seconds(scenario.hardware) / STEP_SECONDS)
    asked = np.lib.stride_tricks.sliding_window_view(np.pad(counts, (0, ahead)), ahead + 1).max(axis=1)
    changes = np.flatnonzero(np.diff(asked, prepend=-1))
    return Schedule(np.asarray(scenario.start_seconds + changes * STEP_SECONDS), asked[changes])
