"""What the pods' metrics show at one moment, as rows: sums over them need no object for each pod."""

import math
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cached_property
from operator import attrgetter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from policies import bound
from policies.bound import Sums
from policies.model import Filters, PodMark, PodSample
from policies.series import QUEUE_TIME_BOUNDS_SECONDS, late_after_seconds
from replay.sim.jit import compiled
from replay.sim.kernel import Metrics, Rows, dtype

COLUMNS = tuple(Metrics.__annotations__)  # fields of a PodSample
SUMMED = [field.name for field in fields(Sums) if field.name != "witness"]
_SUMS = np.dtype([(name, "f8") for name in SUMMED])
_shown = attrgetter(*COLUMNS)


class Serves(Protocol):
    """What a reading says of a pod beside its engine's figures."""

    name: str
    ordinal: int
    started_seconds: float


class Readings:
    """One reading of each pod.

    `queue_times` has a row for each pod: finished requests by bucket.
    """

    def __init__(
        self, pods: Sequence[Serves], at_seconds: float, metrics: Rows, queue_times: NDArray[np.int64]
    ) -> None:
        self._queue_times = queue_times
        self._pods = tuple(pods)
        self._at_seconds = at_seconds
        self._metrics = metrics

    @cached_property
    def queue_times(self) -> tuple[tuple[float, ...], ...]:
        """Finished requests of each pod by the bucket of vLLM's queue times."""
        return tuple([tuple(row) for row in self._queue_times.tolist()])

    def __len__(self) -> int:
        return len(self._pods)

    def total(self, *columns: str) -> float | None:
        """The sum of these columns over the pods; None where Prometheus would have no series at all."""
        if not self._pods:
            return None
        return float(sum(self._metrics[name].sum() for name in columns))

    def growth(self, earlier: "Readings", *counters: str) -> NDArray[np.float64] | None:
        """How much each counter grew since an earlier reading, in all pods that both have; None where there are none."""
        now, then = self._metrics, earlier._metrics
        if self._pods != earlier._pods:
            places = {pod.ordinal: place for place, pod in enumerate(earlier._pods)}
            both = [(at, places[pod.ordinal]) for at, pod in enumerate(self._pods) if pod.ordinal in places]
            now, then = now[[at for at, _ in both]], then[[place for _, place in both]]
        if not len(now):
            return None
        return np.array([now[name].sum() - then[name].sum() for name in counters], np.float64)

    @cached_property
    def samples(self) -> tuple[PodSample, ...]:
        """The same as an object for each pod, without the queue times."""
        shown = zip(self._pods, self._metrics.tolist(), strict=True)
        return tuple([self._sample(pod, values) for pod, values in shown])

    def judged(self, queue_wait_seconds: float) -> tuple[PodSample, ...]:
        """The same with the requests that a policy with this queue wait calls late."""
        late_after = late_after_seconds(queue_wait_seconds)
        if late_after is None:
            return self.samples
        totals = self._queue_times.sum(axis=1, dtype=np.float64).tolist()
        late = self._queue_times[:, QUEUE_TIME_BOUNDS_SECONDS.index(late_after) + 1 :].sum(axis=1, dtype=np.float64)
        counted = zip(self.samples, totals, late.tolist(), strict=True)
        return tuple([replace(each, queue_times_total=total, late_total=some) for each, total, some in counted])

    def _sample(self, pod: Serves, values: tuple[float, ...]) -> PodSample:
        shown: dict[str, Any] = dict(zip(COLUMNS, values, strict=True))
        return PodSample(pod.name, self._at_seconds, pod.started_seconds, engines=1.0, **shown)

    def sums(self, filters: Filters, marks: "Marks") -> Sums:
        """What `bound.sums` finds in the samples; `marks` are those of the filters."""
        places = np.array([marks.places.get(pod.name, -1) for pod in self._pods], np.int64)
        if -1 in places:  # a new pod, most likely
            return bound.sums(filters, self.samples)
        sums = np.zeros(1, _SUMS)
        witness = _add_up(self._metrics, self._at_seconds, marks.metrics, marks.at_seconds, places, sums)
        found: dict[str, Any] = dict(zip(SUMMED, sums.item(), strict=True))
        if witness < 0:
            return Sums(**found)
        return Sums(**found, witness=self._sample(self._pods[witness], self._metrics[witness].item()))


class Marks:
    """The marks of a policy's filters as rows. Only those that can be compared with have a place."""

    def __init__(self, marks: tuple[PodMark, ...]) -> None:
        self.marks = marks
        readings = [mark.reading for mark in marks if mark.comparable]
        self.places = {reading.pod: place for place, reading in enumerate(readings)}
        self.at_seconds = np.array([reading.at_seconds for reading in readings])
        shown = np.array([_shown(reading) for reading in readings], np.float64)
        self.metrics = shown.view(dtype(Metrics)).ravel()


@compiled
def _add_up(
    metrics: Rows,
    at_seconds: float,
    marked: Rows,
    marked_seconds: NDArray[np.float64],
    places: NDArray[np.int64],
    sums: Rows,
) -> int:
    """Add up all pods, and return the row of the one to which most requests came; -1 without any. NaN stays NaN."""
    witness, most_stayed, total = -1, -math.inf, sums[0]
    for row, place in enumerate(places):
        now, before, span = metrics[row], marked[place], at_seconds - marked_seconds[place]
        queued = now.waiting - before.waiting
        stayed = _grown(before.finished_total + before.running, now.finished_total + now.running + queued)
        begun = now.first_tokens_total - before.first_tokens_total + queued
        if stayed > most_stayed:
            witness, most_stayed = row, stayed
        total.waiting += now.waiting
        total.running += now.running
        total.stayed += stayed
        total.stayed_per_second += stayed / span
        total.rejected_per_second += _grown(before.rejected_total, now.rejected_total) / span
        total.begun_beyond += _grown(stayed, begun)
        total.prompt_tokens += _grown(before.request_prompt_tokens_sum, now.request_prompt_tokens_sum)
        total.generation_tokens += _grown(before.request_generation_tokens_sum, now.request_generation_tokens_sum)
        total.prefilled_tokens += _grown(before.prompt_tokens_total, now.prompt_tokens_total)
    return witness


@compiled
def _grown(before: float, now: float) -> float:
    return float(np.maximum(0.0, now - before))
