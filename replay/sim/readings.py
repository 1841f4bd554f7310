"""What the pods' metrics show at one moment, as columns: sums over them need no object for each pod."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies import bound
from policies.bound import Sums
from policies.model import Filters, PodMark, PodSample
from policies.physics import COUNTERS
from policies.series import QUEUE_TIME_BOUNDS_SECONDS, late_after_seconds
from replay.sim.units import Pod

COLUMNS = ("running", "waiting", *COUNTERS)  # fields of a PodSample


class Readings:
    """One reading of each pod. A column that is not given is zero.

    `queue_times` has a row for each pod: finished requests by bucket.
    """

    def __init__(
        self,
        pods: Sequence[Pod],
        at_seconds: float,
        columns: Mapping[str, NDArray[Any]],
        queue_times: NDArray[np.int64],
    ) -> None:
        self._queue_times = queue_times
        self._pods = tuple(pods)
        self._at_seconds = at_seconds
        self._values = np.zeros((len(COLUMNS), len(pods)))
        for row, name in enumerate(COLUMNS):
            if name in columns:
                self._values[row] = columns[name]

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
        return float(sum(self._values[COLUMNS.index(name)].sum() for name in columns))

    @cached_property
    def samples(self) -> tuple[PodSample, ...]:
        """The same as an object for each pod, without the queue times."""
        return tuple([self._sample(pod) for pod in range(len(self))])

    def judged(self, queue_wait_seconds: float) -> tuple[PodSample, ...]:
        """The same with the requests that a policy with this queue wait calls late."""
        late_after = late_after_seconds(queue_wait_seconds)
        if late_after is None:
            return self.samples
        totals = self._queue_times.sum(axis=1, dtype=np.float64).tolist()
        late = self._queue_times[:, QUEUE_TIME_BOUNDS_SECONDS.index(late_after) + 1 :].sum(axis=1, dtype=np.float64)
        counted = zip(self.samples, totals, late.tolist(), strict=True)
        return tuple([replace(each, queue_times_total=total, late_total=some) for each, total, some in counted])

    def _sample(self, pod: int) -> PodSample:
        shown: dict[str, Any] = dict(zip(COLUMNS, self._values[:, pod].tolist(), strict=True))
        it = self._pods[pod]
        return PodSample(it.name, self._at_seconds, it.started_seconds, engines=1.0, **shown)

    def sums(self, filters: Filters, marks: "Marks") -> Sums:
        """What `bound.sums` finds in the samples; `marks` are those of the filters."""
        places = [marks.places.get(pod.name, -1) for pod in self._pods]
        if -1 in places:  # a new pod, most likely
            return bound.sums(filters, self.samples)
        span = self._at_seconds - marks.at_seconds[places]
        grown = self._values - marks.values[:, places]
        now, more = (dict(zip(COLUMNS, values, strict=True)) for values in (self._values, np.maximum(grown, 0.0)))
        change = dict(zip(COLUMNS, grown, strict=True))
        stayed = np.maximum(change["finished_total"] + change["running"] + change["waiting"], 0.0)
        begun = change["first_tokens_total"] + change["waiting"]
        return Sums(
            waiting=float(now["waiting"].sum()),
            running=float(now["running"].sum()),
            stayed=float(stayed.sum()),
            stayed_per_second=float((stayed / span).sum()),
            rejected_per_second=float((more["rejected_total"] / span).sum()),
            begun_beyond=float(np.maximum(begun - stayed, 0.0).sum()),
            prompt_tokens=float(more["request_prompt_tokens_sum"].sum()),
            generation_tokens=float(more["request_generation_tokens_sum"].sum()),
            prefilled_tokens=float(more["prompt_tokens_total"].sum()),
            witness=self._sample(int(stayed.argmax())) if len(stayed) else None,
        )


class Marks:
    """The marks of a policy's filters as columns. Only those that can be compared with have a place."""

    def __init__(self, marks: tuple[PodMark, ...]) -> None:
        self.marks = marks
        readings = [mark.reading for mark in marks if mark.comparable]
        self.places = {reading.pod: place for place, reading in enumerate(readings)}
        self.at_seconds = np.array([reading.at_seconds for reading in readings])
        self.values = np.array([[getattr(reading, name) for reading in readings] for name in COLUMNS], np.float64)
