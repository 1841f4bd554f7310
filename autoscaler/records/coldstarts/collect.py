"""Gathers what the logs hold of the cold starts of each policy: the starts, what was expected, and the demand of the last day."""

from collections import deque
from dataclasses import dataclass, field

from autoscaler.records.coldstarts.possible import require_lengths, require_possible
from crds.notation.timestamps import timestamp
from forecasting.worth import DAY_SECONDS, WARM_SECONDS
from policies.log import Allocation, Decision, Record, Started
from policies.model import Fan, Policy
from policies.starts import Start
from policies.supply import ColdStart

MOST = 1e6  # of replicas, of GPUs of one, and of requests in a second


@dataclass(frozen=True, slots=True)
class Tick:
    """What one decision on the grid knew. None: unknown."""

    at_seconds: float
    replicas: float | None  # demand
    arrivals_per_second: float | None
    fan: Fan | None  # where it was used


@dataclass
class ColdStarts:
    """Of one policy."""

    name: str
    starts: list[Start] = field(default_factory=list)  # in order of their requests, after `close`
    prior: ColdStart | None = None  # before anything was measured; None: not logged
    policy: Policy | None = None  # as of the last decision; None: there was none
    expected: ColdStart | None = None  # what that decision was made with
    ticks: deque[Tick] = field(default_factory=deque)  # of the newest day, and what the filters need before it

    def start(self, started: Started) -> None:
        """Take a start. Raises ValueError for what no start can be."""
        require_possible(started)
        self.starts.append(started.start)
        self.prior = started.prior or self.prior

    def decide(self, decision: Decision) -> None:
        """Take the next decision; those of one policy come in order of time."""
        inputs, demand, policy = decision.inputs, decision.demand, decision.policy
        timestamp(inputs.now_seconds)
        require_lengths(inputs.cold_start)
        numbers = (
            demand.replicas or 0.0,
            demand.arrivals_per_second or 0.0,
            policy.max_replicas,
            policy.gpus_per_replica,
        )
        if any(not 0.0 <= number <= MOST for number in numbers):
            raise ValueError(f"a number of replicas, GPUs or requests that is not 0 to {MOST:,.0f}")
        self.policy, self.expected = policy, inputs.cold_start
        if not inputs.on_grid or (self.ticks and inputs.now_seconds <= self.ticks[-1].at_seconds):
            return
        self.ticks.append(Tick(inputs.now_seconds, demand.replicas, demand.arrivals_per_second, self._used(inputs.fan)))
        while self.ticks[0].at_seconds < inputs.now_seconds - DAY_SECONDS - WARM_SECONDS:
            self.ticks.popleft()

    def _used(self, fan: Fan | None) -> Fan | None:
        """The forecast where it was used; one that is kept already is kept once: 35 values take 2 kB."""
        last = self.ticks[-1].fan if self.ticks else None
        if fan is None or not fan.proven:
            return None
        return last if fan == last else fan


@dataclass
class Collection:
    """The cold starts of every policy of the logs."""

    _found: dict[str, ColdStarts] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """Take the next record. What it raises on a damaged log is one of `policies.log.NONSENSE`."""
        if isinstance(record, Allocation):
            return
        name = record.policy if isinstance(record, Started) else record.policy.name
        of = self._found.setdefault(name, ColdStarts(name))
        if isinstance(record, Started):
            of.start(record)
        else:
            of.decide(record)

    def close(self) -> list[ColdStarts]:
        """By name. What is in two logs counts once."""
        for of in self._found.values():
            once = {(start.pod, start.requested_seconds): start for start in of.starts}
            of.starts = sorted(once.values(), key=lambda start: start.requested_seconds)
        return [self._found[name] for name in sorted(self._found)]
