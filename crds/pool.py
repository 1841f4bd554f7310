"""What a GPUPool becomes: the pool of the core, who may join it, and where and when its offerings can be used."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import chain
from math import inf
from zoneinfo import ZoneInfo

from crds.notation.selectors import Selector
from crds.schedules import windows
from crds.workload import Schedule
from policies.pool import Day, Pool, Seat

NAMESPACE_NAME = "kubernetes.io/metadata.name"  # the label that every namespace has
_AHEAD_SECONDS = 8 * 86_400.0  # a weekly calendar repeats within
_Span = tuple[float, float]
_ALWAYS = (-inf, inf)


@dataclass(frozen=True, slots=True)
class Taint:
    """A taint that nodes keep."""

    key: str
    value: str
    effect: str

    @property
    def toleration(self) -> dict[str, str]:
        """What a pod needs to land there, as a manifest has it."""
        return {"key": self.key, "operator": "Equal", "value": self.value, "effect": self.effect}


@dataclass(frozen=True, slots=True)
class MemberRule:
    """Which namespaces' policies may join, and what they may have."""

    namespaces: Selector
    seat: Seat


@dataclass(frozen=True, slots=True)
class OfferingAt:
    """Where the nodes of an offering are, and when it can be used. Its terms are in the core's pool, by its name."""

    name: str
    node_selector: Mapping[str, str]  # the pool's labels and its own
    taints: tuple[Taint, ...] = ()  # the pool's and its own
    capacity_buffer: str = ""  # in Outrider's namespace; empty: Jobs hold its standby nodes
    validity: tuple[_Span, ...] = ()  # in Unix seconds, by start; empty: at any time
    calendar: tuple[Schedule, ...] = ()  # within the validity; empty: at all hours

    @property
    def tolerations(self) -> list[dict[str, str]]:
        """What a standby pod needs to land on its nodes, as a manifest has it."""
        return [taint.toleration for taint in self.taints]

    def selects(self, node_labels: Mapping[str, str]) -> bool:
        """Whether a node with these labels is of this offering."""
        return self.node_selector.items() <= node_labels.items()

    def is_open(self, now_seconds: float) -> tuple[bool, float | None]:
        """Whether it can be used now, and when that changes; None: never, or not within eight days."""
        start, end = next(iter(self._spans(now_seconds)), (inf, inf))
        is_open = start <= now_seconds
        change = end if is_open else start
        return is_open, None if change == inf else change

    def ever_opens(self) -> bool:
        """Whether there is a moment at which it can be used: its calendar and its validity may never meet."""
        return not self.calendar or any(
            end - start >= _AHEAD_SECONDS or any(self._within((start, end), start))
            for start, end in self.validity or (_ALWAYS,)
        )

    def _spans(self, now_seconds: float) -> Iterable[_Span]:
        """When it can be used from now on, by start."""
        valid = [span for span in self.validity or (_ALWAYS,) if span[1] > now_seconds]
        if not self.calendar:
            return _merged(valid)
        return _merged(chain.from_iterable(self._within(span, now_seconds) for span in valid))

    def _within(self, span: _Span, now_seconds: float) -> Iterable[_Span]:
        begin = max(span[0], now_seconds)
        for window in windows(self.calendar, begin, _AHEAD_SECONDS):
            start, end = max(window.start_seconds, span[0]), min(window.end_seconds, span[1])
            if start < end:
                yield start, end if end < begin + _AHEAD_SECONDS else inf


@dataclass(frozen=True, slots=True)
class GpuPool:
    """A GPUPool with every default resolved."""

    name: str
    generation: int
    uid: str
    pool: Pool
    rules: tuple[MemberRule, ...]
    offerings: tuple[OfferingAt, ...]  # in the pool's order
    node_selector: Mapping[str, str]  # of every node of the pool
    taints: tuple[Taint, ...]  # likewise
    time_zone: str

    def seat(self, namespace: str, namespace_labels: Mapping[str, str]) -> Seat | None:
        """What a policy in this namespace may have; None where no rule selects it."""
        labels = {**namespace_labels, NAMESPACE_NAME: namespace}
        return next((rule.seat for rule in self.rules if rule.namespaces.matches(labels)), None)

    def offering(self, name: str) -> OfferingAt | None:
        """The offering of this name."""
        return next((each for each in self.offerings if each.name == name), None)

    def offering_of(self, node_labels: Mapping[str, str]) -> OfferingAt | None:
        """The first offering that a node with these labels is of; None: it is not of the pool."""
        return next((each for each in self.offerings if each.selects(node_labels)), None)

    def is_open(self, offering: str, now_seconds: float) -> tuple[bool, float | None]:
        """Whether an offering can be used now, and when that changes; None: never, or not within eight days."""
        found = self.offering(offering)
        return found.is_open(now_seconds) if found else (False, None)

    def day(self, now_seconds: float) -> Day:
        """The day in the pool's time zone."""
        zone = ZoneInfo(self.time_zone)
        date = datetime.fromtimestamp(now_seconds, zone).date()
        start, end = (datetime.combine(each, time(), zone) for each in (date, date + timedelta(days=1)))
        return Day(date.isoformat(), start.timestamp(), end.timestamp())

    @property
    def summary(self) -> str:
        """The offerings, the members and the limits in one line."""
        limits, standby = self.pool.limits, self.pool.standby
        parts = [f"{limits.gpus} GPUs"] if limits.gpus is not None else []
        parts += [f"{limits.usd_per_day:g} US$ a day"] if limits.usd_per_day is not None else []
        limit = f"at most {' and '.join(parts)}" if parts else "without a limit"
        nodes = f"{standby.min_nodes} to {standby.max_nodes} standby nodes" if standby.max_nodes else "no standby nodes"
        return (
            f"{', '.join(each.name for each in self.offerings)}; for {', '.join(rule.seat.member for rule in self.rules)}; "
            f"{limit}; {nodes}"
        )

    @property
    def claims(self) -> dict[str, str]:
        """What no other pool may have, by the field that states it."""
        return {"metadata.name": self.name}


def _merged(spans: Iterable[_Span]) -> Iterable[_Span]:
    """Spans that meet or overlap as one, by start."""
    merged: list[_Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((start, end))
    return merged
