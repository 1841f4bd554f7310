"""One run of a benchmark: what is played by whom, and the figures that are kept of it."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.decisions import clairvoyant
from benchmarks.decisions.cases import Case, scenario, workload
from crds.workload import Workload
from replay.contenders.contender import Contender, Entry, Periodic
from replay.contenders.registry import CONTENDERS
from replay.contenders.view import View
from replay.driver import Outcome
from replay.knobs import KNOBS
from replay.runs import Run
from replay.sim.views import Timeline, Waits

OURS = CONTENDERS[0]
PEERS = {entry.key: entry for entry in CONTENDERS[1:]}
ATTAINMENT = KNOBS["attainment"]  # Outrider's own knob
LATE_SECONDS = 5.0
HOUR_SECONDS = 3600.0


class Job(NamedTuple):
    """A contender on a case, as it comes or with its knob at a value."""

    case: Case
    contender: str
    value: float | None = None
    engine_factor: float = 1.0  # the policy takes the engine for this many times as fast as it is

    def __str__(self) -> str:
        value = "" if self.value is None else f" at {self.value:g}"
        wrong = "" if self.engine_factor == 1.0 else f", profile x{self.engine_factor:g}"
        return f"{self.contender}{value}{wrong} on {self.case}"


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to. Lists have a value for each hour from the start; those of requests are empty where not known."""

    gpu_hours: float
    within_1s: float  # share of the requests by their wait in the queue
    within_5s: float
    requests: int
    failed: int
    late_while_starting: int  # requests that waited more than 1 s, and a replica was starting meanwhile
    replicas_started: int
    serving_hours: float  # of replicas; the rest of the GPU-hours is starting, draining and empty nodes
    starting_hours: float
    hourly_gpu_hours: tuple[float, ...]
    hourly_requests: tuple[int, ...] = ()
    hourly_late: tuple[int, ...] = ()  # over 5 s
    late_minutes: int = 0  # the fewest minutes in which nine of ten late requests came
    gpu_hours_at_999: float | None = (
        None  # the clairvoyant's, where 99.9 % shall not wait; its other figures are for 99 %
    )
    cpu_seconds: float = 0.0

    @property
    def attainment(self) -> float:
        """Share of the requests within the SLO's wait, 5 s."""
        return self.within_5s

    def gpu_hours_from(self, hour: int) -> float:
        """From an hour on."""
        return math.fsum(self.hourly_gpu_hours[hour:])

    def attainment_from(self, hour: int) -> float:
        """From an hour on."""
        return 1.0 - sum(self.hourly_late[hour:]) / max(1, sum(self.hourly_requests[hour:]))

    @classmethod
    def of(cls, figures: Mapping[str, Any]) -> "Result":
        """From JSON. Raises TypeError for other fields than these."""
        fields: dict[str, Any] = {name: tuple(it) if isinstance(it, list) else it for name, it in figures.items()}
        return cls(**fields)

    def document(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


class Seen:
    """A contender, and the view that it was given, through which its requests are seen once it has ended."""

    def __init__(self, contender: Contender) -> None:
        self._contender = contender

    def attach(self, view: View) -> Sequence[Periodic]:
        """Take control of a cluster."""
        self._view = view
        return self._contender.attach(view)

    def waits(self) -> Waits:
        """How long each request waited, which no contender may know."""
        return self._view._world.waits()


def asked(job: Job) -> Workload:
    """The policy under test."""
    found = workload(job.case.cold_start)
    if job.contender == OURS.key and job.value is not None:
        found = ATTAINMENT.turned(found, job.value)
    if job.engine_factor == 1.0:
        return found
    engine = replace(
        found.policy.engine,
        prefill_tokens_per_second=found.policy.engine.prefill_tokens_per_second * job.engine_factor,
        decode_seconds_per_token=found.policy.engine.decode_seconds_per_token / job.engine_factor,
    )
    return replace(found, policy=replace(found.policy, engine=engine))


def play(job: Job) -> Result | None:
    """Play it here. None where the clairvoyant finds no schedule. Raises whatever the run does."""
    found = scenario(job.case)
    before = time.process_time()
    if job.contender == clairvoyant.KEY:
        best = clairvoyant.best(found, asked(job))
        if best.at_99 is None:
            return None
        result = _result(best.at_99, None, found.duration_seconds, time.process_time() - before)
        return replace(result, gpu_hours_at_999=best.at_999.score.gpu_hours if best.at_999 else None)
    entry = OURS if job.contender == OURS.key else PEERS[job.contender]
    seen: list[Seen] = []
    value = None if entry is OURS else job.value
    outcome = Run(str(job), _watched(entry, seen), found, asked(job), value).play()
    return _result(outcome, seen[0].waits(), found.duration_seconds, time.process_time() - before)


def _watched(entry: Entry, seen: list[Seen]) -> Entry:
    def watched(contender: Contender) -> Contender:
        seen.append(Seen(contender))
        return seen[-1]

    make, knob = entry.make, entry.knob
    return replace(
        entry,
        make=make and (lambda setup: watched(make(setup))),
        knob=knob and replace(knob, make=lambda setup, value: watched(knob.make(setup, value))),
    )


def _result(outcome: Outcome, waits: Waits | None, duration_seconds: float, cpu_seconds: float) -> Result:
    score = outcome.score
    edges_s = np.minimum(np.arange(math.ceil(duration_seconds / HOUR_SECONDS) + 1) * HOUR_SECONDS, duration_seconds)
    result = Result(
        gpu_hours=score.gpu_hours,
        within_1s=score.share_within_1s,
        within_5s=score.share_within_5s,
        requests=score.requests,
        failed=score.failed,
        late_while_starting=score.cold_starts_met,
        replicas_started=score.pods_created,
        serving_hours=math.fsum(between(edges_s, score.timeline, "ready_replicas")),
        starting_hours=math.fsum(between(edges_s, score.timeline, "starting_replicas")),
        hourly_gpu_hours=between(edges_s, score.timeline, "nodes"),
        cpu_seconds=round(cpu_seconds, 2),
    )
    if waits is None:
        return result
    # A request that has not begun still waits at the end; a failed one is late.
    late_s = waits.arrival_s[~(waits.wait_seconds <= LATE_SECONDS) | waits.failed]
    minutes = np.sort(np.bincount((late_s // 60.0).astype(np.int64)))[::-1]
    return replace(
        result,
        hourly_requests=tuple(np.histogram(waits.arrival_s, edges_s)[0].tolist()),
        hourly_late=tuple(np.histogram(late_s, edges_s)[0].tolist()),
        late_minutes=int(np.searchsorted(np.cumsum(minutes), 0.9 * len(late_s)) + 1) if len(late_s) else 0,
    )


def between(edges_s: NDArray[np.float64], timeline: Timeline, column: str) -> tuple[float, ...]:
    """What a column adds up to between edges, in its unit times hours. Edges count from the timeline's first second."""
    rows_s = np.append(timeline.seconds - timeline.seconds[0], math.inf)
    rows_s[-1] = max(edges_s[-1], rows_s[-2])  # the last row holds until the end
    running = np.concatenate(([0.0], np.cumsum(getattr(timeline, column) * np.diff(rows_s))))
    return tuple((np.diff(np.interp(edges_s, rows_s, running)) / HOUR_SECONDS).tolist())
