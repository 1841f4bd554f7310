"""Compares, for each policy and mode, what ran with what Outrider asked for."""

from dataclasses import dataclass, field, replace

from autoscaler.records.coldstarts.possible import require_possible
from autoscaler.records.comparison.moment import Moment
from autoscaler.records.comparison.serving import Serving
from autoscaler.records.comparison.shortages import Shortages, Span
from autoscaler.records.comparison.timeline import Timeline
from policies.log import Decision, Record, Started
from policies.model import Mode, Plan, Policy, Rule
from policies.starts import Start

GAP_SECONDS = 60.0  # a decision that is older holds no longer, and KEDA gets no value
HOUR_SECONDS = 3600.0


@dataclass
class Side:
    """What one side had."""

    gpu_hours: float = 0.0  # of replicas and prepared nodes
    cost: float = 0.0  # US dollars
    most_replicas: int = 0  # that served
    short_seconds: float = 0.0  # demand above what served; for what ran, also a queue beyond the SLO
    missing_replica_hours: float = 0.0  # demand above what served

    def hold(self, units: int, serving: int, policy: Policy, price: float, seconds: float) -> None:
        """Count units that were held for a while, and the replicas of them that served."""
        self.most_replicas = max(self.most_replicas, serving)
        gpu_hours = units * policy.gpus_per_replica * seconds / HOUR_SECONDS
        self.gpu_hours += gpu_hours
        self.cost += gpu_hours * price

    def meet(self, demand: float, serving: int, seconds: float, *, short: bool) -> None:
        """Count by how much demand was above the replicas that served."""
        self.short_seconds += seconds if short else 0.0
        self.missing_replica_hours += max(0.0, demand - serving) * seconds / HOUR_SECONDS


@dataclass
class Unknown:
    """What a comparison does not know, in decisions and seconds."""

    gaps: int = 0  # more than 60 s between two decisions: not compared
    gap_seconds: float = 0.0
    restarts: int = 0
    cluster_seconds: float = 0.0  # replicas unknown: not compared
    demand_seconds: float = 0.0  # demand unknown: cost is compared, shortages are not
    partial_decisions: int = 0  # metrics of some pods missing: demand is a lower bound
    unforecast_decisions: int = 0  # no forecast, or one not proven
    repeated_decisions: int = 0  # earlier than the one before: counted once
    queue_driven_seconds: float = 0.0  # mode Shadow: the number came from the queue of what ran


@dataclass
class Comparison:
    """One policy in one mode. `price_per_gpu_hour` replaces the price of the log."""

    policy: Policy
    price_per_gpu_hour: float | None = None
    start_seconds: float | None = None
    decisions: int = 0
    compared_seconds: float = 0.0
    queue_seconds: float = 0.0  # time with a queue beyond the SLO
    ran: Side = field(default_factory=Side)
    outrider: Side = field(default_factory=Side)
    unknown: Unknown = field(default_factory=Unknown)
    last: Moment | None = None
    timeline: Timeline = field(default_factory=lambda: Timeline(0.0))
    ran_short: Shortages = field(default_factory=lambda: Shortages(of_outrider=False))
    outrider_short: Shortages = field(default_factory=lambda: Shortages(of_outrider=True))
    starts: list[Start] = field(default_factory=list)  # of its replicas, in any order
    _serving: Serving = field(default_factory=Serving)
    _asked_more_since: float | None = None
    _last_decision: Decision | None = None

    @property
    def mode(self) -> Mode:
        """Whether what Outrider asked for was carried out."""
        return self.policy.mode

    @property
    def price(self) -> float:
        """US dollars for one hour of one GPU, as it was last."""
        return self._price(self.policy)

    @property
    def judged_seconds(self) -> float:
        """Of the time compared, that with a known demand, in which shortages are seen."""
        return self.compared_seconds - self.unknown.demand_seconds

    def add(self, decision: Decision, *, resumed: bool = False) -> None:
        """Take the next decision, in order of time; `resumed` if the policy was in the other mode before it."""
        now, last, before = Moment.of(decision), self.last, self._last_decision
        if last is not None and not decision.inputs.on_grid:
            now = replace(now, demand=last.demand)  # that of an event is over the seconds since the tick: too noisy
        if last is not None and now.at_seconds < last.at_seconds:
            self.unknown.repeated_decisions += 1
            return
        if last is not None and now.at_seconds == last.at_seconds:  # an event at a tick: it takes the tick's place
            self.last, self._last_decision = now, decision
            return
        if resumed:  # from what runs, whatever was asked for before
            self._serving, self._asked_more_since = Serving(), None
        elif last is None or before is None:
            self.start_seconds, self.timeline = now.at_seconds, Timeline(now.at_seconds)
        else:
            seconds = now.at_seconds - last.at_seconds
            if seconds > GAP_SECONDS:
                self.unknown.gaps += 1
                self.unknown.gap_seconds += seconds
            else:
                self._hold(last, before, seconds)
        self.unknown.restarts += decision.is_start and last is not None
        self.decisions += 1
        self.unknown.partial_decisions += 0.0 < decision.demand.coverage < 1.0
        fan = decision.inputs.fan
        self.unknown.unforecast_decisions += fan is None or not fan.proven
        self.policy, self.last, self._last_decision = decision.policy, now, decision

    def close(self) -> None:
        """End what is under way, after the last decision."""
        self.ran_short.close()
        self.outrider_short.close()

    def _price(self, policy: Policy) -> float:
        return policy.price_per_gpu_hour if self.price_per_gpu_hour is None else self.price_per_gpu_hour

    def _hold(self, moment: Moment, decision: Decision, seconds: float) -> None:
        """Count what held from one decision to the next."""
        unknown, policy = self.unknown, decision.policy
        asked, prepared, ready, with_node = moment.asked, moment.prepared, moment.ready, moment.with_node
        if asked is None or prepared is None or ready is None or with_node is None:
            unknown.cluster_seconds += seconds
            return
        self.compared_seconds += seconds
        price = self._price(policy)
        serving = asked if policy.mode is Mode.ACTIVE else self._serving.at(moment, asked, prepared)
        self.ran.hold(with_node, ready, policy, price, seconds)
        self.outrider.hold(asked + prepared, serving, policy, price, seconds)
        self.timeline.add(moment.at_seconds, seconds, moment.demand, ready, serving)
        self._asked_more_since = None if asked <= ready else self._asked_more_since or moment.at_seconds
        if policy.mode is Mode.SHADOW and decision.plan is not None and _queue_decided(decision.plan):
            unknown.queue_driven_seconds += seconds
        if moment.demand is None:
            unknown.demand_seconds += seconds
            return
        has_queue = (moment.queue_seconds or 0.0) > policy.queue_wait_seconds
        self.queue_seconds += seconds if has_queue else 0.0
        span = Span(
            moment.at_seconds,
            seconds,
            moment.demand,
            ready,
            serving,
            ran_short=has_queue or moment.demand > ready,
            outrider_short=moment.demand > serving,
            asked_more_since=self._asked_more_since,
        )
        self.ran.meet(moment.demand, ready, seconds, short=span.ran_short)
        self.outrider.meet(moment.demand, serving, seconds, short=span.outrider_short)
        self.ran_short.add(span)
        self.outrider_short.add(span)


@dataclass
class Comparisons:
    """One comparison for each policy and mode. `price_per_gpu_hour` replaces the prices of the log."""

    price_per_gpu_hour: float | None = None
    _found: dict[tuple[str, Mode], Comparison] = field(default_factory=dict)
    _modes: dict[str, Mode] = field(default_factory=dict)  # of each policy's last decision
    _starts: dict[str, dict[tuple[str, float], Start]] = field(default_factory=dict)  # of each policy; one counts once

    def add(self, record: Record) -> None:
        """Take the next record; those of one policy come in order of time. What it raises on a damaged log is `NONSENSE`."""
        if isinstance(record, Started):
            require_possible(record)
            self._starts.setdefault(record.policy, {})[record.start.pod, record.start.requested_seconds] = record.start
        elif isinstance(record, Decision):
            self._decided(record)

    def _decided(self, decision: Decision) -> None:
        name, mode = key = decision.policy.name, decision.policy.mode
        resumed = key in self._found and self._modes[name] is not mode
        self._modes[name] = mode
        if key not in self._found:
            self._found[key] = Comparison(decision.policy, self.price_per_gpu_hour)
        self._found[key].add(decision, resumed=resumed)

    def close(self) -> list[Comparison]:
        """The comparisons by name, after the last decision. The starts belong to the mode that a policy was in last."""
        for name, mode in self._modes.items():
            self._found[name, mode].starts = list(self._starts.get(name, {}).values())
        for comparison in self._found.values():
            comparison.close()
        return [self._found[key] for key in sorted(self._found)]


def _queue_decided(plan: Plan) -> bool:
    """Whether waiting requests were part of the number; the reactive rule answers a rise of demand without any as well."""
    decisive = plan.replica_reasons[0]
    return decisive.rule is Rule.REACTIVE and dict(decisive.numbers).get("waiting_requests", 0.0) > 0.0
