"""One run of the pool's benchmark, the figures that are kept of it, and where they are kept."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from time import process_time
from typing import Any, NamedTuple

import numpy as np

from benchmarks.decisions.kept import FOLDER, code
from benchmarks.pool_cases import SIX, Case, played
from replay.cluster_contenders import OURS, Contending, make
from replay.cluster_run import ClusterContender, run
from replay.contenders.cluster_view import ClusterView
from replay.contenders.contender import Periodic
from replay.sim.agenda import aligned
from replay.sim.cluster import Cluster

LATE_SECONDS = 5.0
LOOK_SECONDS = 5.0
HOUR_SECONDS = 3600.0
PLAYED_BY = ("replay.cluster_run", "replay.scenario.assemble", "replay.contenders.each_alone")


class Job(NamedTuple):
    """A contender on a case, as it comes or with its knob at a value."""

    case: Case
    seed: int
    contending: Contending
    value: float | None = None

    def __str__(self) -> str:
        value = "" if self.value is None else f" at {self.value:g}"
        return f"{self.contending.name}{value} on {self.case.name}, seed {self.seed}"


@dataclass(frozen=True, slots=True)
class OfModel:
    """What a run came to for one model."""

    attainment: float
    gpu_hours: float
    requests: int
    late: int
    hourly_late: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to."""

    gpu_hours: float
    cost: float
    macro: float
    worst: float
    refused: int
    switches: int
    standby_gpu_hours: float
    standby_wasted_gpu_hours: float
    standby_taken: int
    models: Mapping[str, OfModel]
    fallback_seconds: float | None = None  # from the first refusal to the first node of another offering, in an outage
    cpu_seconds: float = 0.0

    @classmethod
    def of(cls, figures: Mapping[str, Any]) -> "Result":
        """From JSON. Raises TypeError for other fields than these."""
        fields = dict(figures)
        fields["models"] = {
            name: OfModel(**{**each, "hourly_late": tuple(each["hourly_late"])})
            for name, each in figures["models"].items()
        }
        return cls(**fields)


@dataclass
class Watched:
    """A contender, and when the first node of the second offering came after the first refusal."""

    contender: ClusterContender
    refused_seconds: float | None = None
    landed_seconds: float | None = None
    _before: set[str] = field(default_factory=set)

    def attach(self, view: ClusterView) -> Sequence[Periodic]:
        """Take control of a cluster."""
        self._view = view
        look = Periodic(aligned(view.now_seconds, LOOK_SECONDS), LOOK_SECONDS, self._look)
        return (*self.contender.attach(view), look)

    def _look(self, _now_seconds: float) -> None:
        if self.landed_seconds is not None:
            return
        first, *others = self._view.offerings()
        if self.refused_seconds is None:
            self.refused_seconds = first.refused_seconds
            return
        names = {each.name for each in others}
        ready = [
            node.ready_seconds
            for node in self._view.nodes()
            if node.offering in names and node.ready_seconds and node.ready_seconds > self.refused_seconds
        ]
        self.landed_seconds = min(ready, default=None)


def play(job: Job) -> Result:
    """Play it here. Raises whatever the run does."""
    before = process_time()
    found = played(job.case, job.seed).given(job.contending)
    waits = {name: each.policy.queue_wait_seconds for name, each in found.workloads.items()}
    models: dict[str, OfModel] = {}

    def look(cluster: Cluster) -> None:
        hours = np.arange(int(np.ceil(job.case.hours)) + 1) * HOUR_SECONDS
        for name in found.workloads:
            seen = cluster.workload(name).waits()
            late_s = seen.arrival_s[~(seen.wait_seconds <= LATE_SECONDS) | seen.failed]
            models[name] = OfModel(
                1.0 - len(late_s) / max(1, len(seen.arrival_s)),
                0.0,
                len(seen.arrival_s),
                len(late_s),
                tuple(np.histogram(late_s, hours)[0].tolist()),
            )

    watched = Watched(make(found, job.contending, job.value))
    outcome = run(found.scenario, watched, waits, look=look)
    fallback = None
    if watched.refused_seconds is not None and watched.landed_seconds is not None:
        fallback = watched.landed_seconds - watched.refused_seconds
    score = outcome.score
    hours_of = {name: each.score.gpu_hours for name, each in outcome.workloads.items()}
    return Result(
        gpu_hours=score.gpu_hours,
        cost=score.cost,
        macro=outcome.macro,
        worst=outcome.worst,
        refused=score.refused,
        switches=score.switches,
        standby_gpu_hours=score.standby_gpu_hours,
        standby_wasted_gpu_hours=score.standby_wasted_gpu_hours,
        standby_taken=score.standby_taken,
        models={
            name: OfModel(each.attainment, hours_of[name], each.requests, each.late, each.hourly_late)
            for name, each in models.items()
        },
        fallback_seconds=fallback,
        cpu_seconds=round(process_time() - before, 1),
    )


def load(job: Job) -> Result | None:
    """The figures of a finished run; None where there are none that can be read."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        return Result.of(json.loads(_path(job).read_text()))
    return None


def played_and_kept(job: Job) -> tuple[Job, Result]:
    """Play it, unless it has been. It is kept whole, or not at all."""
    found = load(job)
    if found is None:
        file = _path(job)  # before it is played: the source may be edited meanwhile
        found = play(job)
        partial = file.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(asdict(found)))
            partial.replace(file)
    return job, found


def _path(job: Job) -> Any:  # noqa: ANN401
    sizes = [model.path.stat().st_size for model in SIX]
    by = "replay.contenders.pooled" if job.contending.key == OURS.key else f"replay.contenders.{job.contending.key}"
    parts = (job.case, job.seed, job.contending, job.value, SIX, sizes, tuple(map(code, (by, *PLAYED_BY))))
    return FOLDER / "pool" / f"{hashlib.sha1(repr(parts).encode()).hexdigest()}.json"
