"""The faults: what each does to the pages, the objects, the clients or the controller while it is on.

A fault changes what is seen, or what clients do; the requests that arrive stay those of the clean twin.
"""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from policies.series import RUNNING, WAITING
from tests.twin.fleet import Fleet, pod_object
from tests.twin.load import START_SECONDS, TICK_SECONDS
from tests.twin.pod import GAUGES, Pod, Series


class Times(StrEnum):
    """How often."""

    ONCE = "once"  # at one tick
    REPEATED = "repeated"  # at every few ticks of a span
    SPAN = "span"  # at every tick of a span
    FOR_GOOD = "for good"


class Pods(StrEnum):
    """On which pods."""

    ONE = "one"
    SOME = "some"
    ALL = "all"


@dataclass
class Fault:
    """One fault, from tick `start` on. A kind overrides what it changes."""

    kind: str
    times: Times
    pods: Pods
    start: int
    length: int  # ticks of a span
    period: int = 1  # of a repeated one
    families: tuple[str, ...] = ()
    magnitude: float = 0.0
    share: float = 0.5
    memory: dict[str, Any] = field(default_factory=dict)  # of the kind, by pod

    @property
    def end(self) -> float:
        """The last tick at which it is on."""
        if self.times is Times.FOR_GOOD:
            return math.inf
        return self.start if self.times is Times.ONCE else self.start + self.length - 1

    def on(self, tick: int) -> bool:
        """Whether it is on at this tick."""
        return self.start <= tick <= self.end and (tick - self.start) % (self.period) == 0

    def hits(self, pod: str) -> bool:
        """Whether it is on this pod. Pods are numbered as they were made; the oldest stop last."""
        number = int(pod.rpartition("-")[2])
        return self.pods is Pods.ALL or number == 0 or (self.pods is Pods.SOME and number % 2 == 0)

    def befell(self, pod: Pod) -> bool:
        """Whether the pod was there before it ended."""
        return pod.created_seconds <= START_SECONDS + TICK_SECONDS * (self.end + 1.0)

    # ---------------------------------------------------------------- what a kind may change

    def traffic(self, fleet: Fleet, tick: int) -> None:
        """What clients do, before the tick's traffic."""

    def both(self, fleet: Fleet, tick: int) -> None:
        """What happens in the clean twin as well."""

    def page(self, pod: Pod, series: list[Series], tick: int) -> list[Series]:
        """The series that a pod shows."""
        return series

    def started(self, pod: Pod, tick: int) -> float:
        """The process start that a pod shows."""
        return pod.started_seconds

    def body(self, pod: Pod, body: bytes, fleet: Fleet, tick: int) -> bytes | None:
        """The body as it arrives; None: no answer in time."""
        return body

    def listed(self, objects: list[dict[str, Any]], tick: int) -> list[dict[str, Any]]:
        """The pods of the API."""
        return objects

    def describe(self) -> str:
        """One line for a reader."""
        span = "" if self.times in (Times.ONCE, Times.FOR_GOOD) else f" of {self.length} ticks, every {self.period}"
        what = f" {', '.join(self.families)}" if self.families else ""
        return (
            f"{self.kind}{what} ({self.times}{span}; {self.pods} pods; from tick {self.start}; "
            f"magnitude {self.magnitude:g}; share {self.share:.2f})"
        )


@dataclass
class Spike(Fault):
    """A value is wrong while the fault is on."""

    def page(self, pod: Pod, series: list[Series], tick: int) -> list[Series]:
        if not self.on(tick):
            return series
        return [
            each._replace(value=self._wrong(each.value)) if each.family in self.families else each for each in series
        ]

    def _wrong(self, value: float) -> float:
        if math.isnan(self.magnitude) or self.magnitude < 0 or self.families[0] in GAUGES:
            return self.magnitude
        return value + self.magnitude


@dataclass
class Jump(Fault):
    """A counter jumps and goes on from there."""

    def page(self, pod: Pod, series: list[Series], tick: int) -> list[Series]:
        if tick < self.start or not self.befell(pod):
            return series
        return [
            each._replace(value=each.value + self.magnitude) if each.family in self.families else each
            for each in series
        ]

    @property
    def end(self) -> float:
        # Beyond 2^49 a sum grows by steps of an eighth and more, or not at all: it stays wrong.
        return math.inf if self.magnitude > 2.0**49 else self.start


@dataclass
class Reset(Fault):
    """Counters start from zero, with or without a process start that shows it, and go on from there."""

    names: bool = False

    def page(self, pod: Pod, series: list[Series], tick: int) -> list[Series]:
        if tick < self.start or not self.befell(pod):
            return series
        if self.on(tick) or pod.name not in self.memory:
            self.memory[pod.name] = pod.baseline()
        zero = self.memory[pod.name]
        return [each._replace(value=each.value - zero.get(each[:3], 0.0)) for each in series]

    def started(self, pod: Pod, tick: int) -> float:
        last = self.start + (tick - self.start) // self.period * self.period if tick <= self.end else self.end
        return (
            pod.started_seconds
            if tick < self.start or not self.names or not self.befell(pod)
            else START_SECONDS + 15.0 * (last + 1) - 1.5
        )


@dataclass
class Alternate(Fault):
    """Two processes answer in turn: every other tick the counters are those of one that started with the fault, or just now."""

    def page(self, pod: Pod, series: list[Series], tick: int) -> list[Series]:
        if not self.on(tick):
            return series
        if self.share > 0.5 or pod.name not in self.memory:
            zero, self.memory[pod.name] = self.memory.get(pod.name, pod.baseline()), pod.baseline()
        else:
            zero = self.memory[pod.name]
        if (tick - self.start) % 2:
            return series
        return [each._replace(value=each.value - zero.get(each[:3], 0.0)) for each in series]


@dataclass
class Dropped(Fault):
    """Families are not on the page."""

    def page(self, pod: Pod, series: list[Series], tick: int) -> list[Series]:
        return [each for each in series if each.family not in self.families] if self.on(tick) else series


@dataclass
class EngineLost(Fault):
    """One engine's series of some families are missing, or have no label that says whose they are."""

    unlabelled: bool = False

    def page(self, pod: Pod, series: list[Series], tick: int) -> list[Series]:
        if not self.on(tick):
            return series
        kept = []
        for each in series:
            if each.family in self.families and each.engine == "0":
                if not self.unlabelled:
                    continue
                each = each._replace(engine=None)  # noqa: PLW2901
            kept.append(each)
        return kept


@dataclass
class Body(Fault):
    """No page, or not a whole one."""

    def body(self, pod: Pod, body: bytes, fleet: Fleet, tick: int) -> bytes | None:
        if not self.on(tick):
            return body
        return {
            "body cut": body[: int(self.share * len(body))],
            "body HTML": b"<html><body>503</body></html>\n",
            "body empty": b"",
            "no answer": None,
        }[self.kind]


@dataclass
class Frozen(Fault):
    """The page, or its gauges alone, stay as they were."""

    def body(self, pod: Pod, body: bytes, fleet: Fleet, tick: int) -> bytes | None:
        if not self.on(tick) or self.families:
            return body
        found: bytes = self.memory.setdefault(pod.name, pod.page())
        return found

    def page(self, pod: Pod, series: list[Series], tick: int) -> list[Series]:
        if not self.on(tick) or not self.families:
            return series
        old = self.memory.setdefault(pod.name, {each[:3]: each.value for each in pod.series()})
        return [
            each._replace(value=old.get(each[:3], each.value)) if each.family in self.families else each
            for each in series
        ]


@dataclass
class Stale(Fault):
    """All clients of a pod hang up and none come back, but its gauges stay at `magnitude` requests."""

    def both(self, fleet: Fleet, tick: int) -> None:
        if tick == self.start:
            hit = [pod for pod in fleet.pods[:-1] if self.hits(pod.name)][: max(1, len(fleet.pods) // 2)]
            fleet.idle |= {pod.name for pod in hit}
            for pod in hit:
                self.memory[pod.name] = True
                pod.hang_up()
        if tick == self.end + 1:
            fleet.idle = frozenset()

    def page(self, pod: Pod, series: list[Series], tick: int) -> list[Series]:
        if not self.on(tick) or pod.name not in self.memory:
            return series
        held = {RUNNING: pod.load.engine.max_concurrency, WAITING: self.magnitude}
        return [each._replace(value=held[each.family]) if each.family in held else each for each in series]


@dataclass
class AnothersPage(Fault):
    """A pod's address answers with the page of another pod."""

    def body(self, pod: Pod, body: bytes, fleet: Fleet, tick: int) -> bytes | None:
        serving = fleet.serving(START_SECONDS + 15.0 * (tick + 1))
        if not self.on(tick) or len(serving) < 2:
            return body
        place = serving.index(pod)
        return serving[(place + 1) % len(serving)].page()


@dataclass
class HangUps(Fault):
    """A share of the clients hang up just before the last token."""

    def traffic(self, fleet: Fleet, tick: int) -> None:
        for pod in fleet.pods:
            pod.hang_up_share = self.share if self.on(tick) and self.hits(pod.name) else 0.0


@dataclass
class ShortList(Fault):
    """The list of pods lacks some, which the scale counts."""

    def listed(self, objects: list[dict[str, Any]], tick: int) -> list[dict[str, Any]]:
        return objects[: max(1, int(self.share * len(objects)))] if self.on(tick) else objects


@dataclass
class NotReady(Fault):
    """Pods run and serve, but are not Ready."""

    def listed(self, objects: list[dict[str, Any]], tick: int) -> list[dict[str, Any]]:
        if not self.on(tick):
            return objects
        return [_unready(each) if self.hits(each["metadata"]["name"]) else each for each in objects]


def _unready(thing: dict[str, Any]) -> dict[str, Any]:
    status = thing["status"]
    kept = [each for each in status["conditions"] if each["type"] != "Ready"]
    return {**thing, "status": {**status, "conditions": kept}}


@dataclass
class NoEngine(Fault):
    """Pods without an engine are behind the same selector: a router answers with its own page."""

    def listed(self, objects: list[dict[str, Any]], tick: int) -> list[dict[str, Any]]:
        if not self.on(tick):
            return objects
        more = {Pods.ONE: 1, Pods.SOME: 2, Pods.ALL: len(objects)}[self.pods]
        since = START_SECONDS - 86_400.0
        routers = [
            pod_object(f"router-{n}", f"10.1.{n}.1", created=since, placed=since, ready=since) for n in range(more)
        ]
        return objects + routers


@dataclass
class SupplyUnknown(Fault):
    """The API server does not answer, for over a minute."""


@dataclass
class Restart(Fault):
    """The controller ends and starts again `length` ticks later, with its checkpoint; `clock_seconds` is a step of its clock."""

    clock_seconds: float = 0.0
    history_share: float | None = None  # of the true demand that a history shows; None: no history

    @property
    def end(self) -> float:
        return self.start + self.length


@dataclass
class Paused(Fault):
    """The machine was paused: no decision for a while."""

    @property
    def end(self) -> float:
        return self.start + self.length
