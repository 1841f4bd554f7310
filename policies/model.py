"""The values of the core: its inputs, its state and its decisions.

All are frozen, convertible to JSON by `policies.codec`, and hold plain Python values. Times are scenario time in Unix
seconds. `None` means unknown, which is never the same as zero.
"""

from dataclasses import dataclass
from enum import StrEnum

from policies.supply import ColdStart, Rung, Supply

# ---------------------------------------------------------------- settings


class Mode(StrEnum):
    """Whether decisions are carried out. The rules decide the same in both."""

    ACTIVE = "Active"
    SHADOW = "Shadow"  # decided and reported only


class Signal(StrEnum):
    """How demand is measured."""

    WORK = "Work"  # arrivals weighted by their tokens
    CONCURRENCY = "Concurrency"  # running + waiting requests


@dataclass(frozen=True, slots=True)
class Engine:
    """How fast one replica serves: the initial estimate until it is learned."""

    prefill_tokens_per_second: float
    decode_seconds_per_token: float  # per request, amortised over the working batch
    prefill_max_share: float  # of GPU time, while decoding goes on beside it
    max_concurrency: float  # requests that one replica runs at once


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy of one workload, with every default resolved."""

    name: str  # namespace/name
    mode: Mode
    signal: Signal
    min_replicas: int
    max_replicas: int
    queue_wait_seconds: float  # the SLO: requests wait at most this long ...
    attainment: float  # ... in this share of cases, 0.5 .. 0.9999
    engine: Engine
    hold_seconds: float | None  # None: as long as it would take to get the capacity back
    scale_up_replicas_per_minute: int | None  # None: no limit
    scale_down_percent_per_minute: float
    max_prepared_nodes: int
    gpus_per_replica: int
    price_per_gpu_hour: float  # in US dollars


# ---------------------------------------------------------------- inputs


@dataclass(frozen=True, slots=True)
class PodSample:
    """One reading of one vLLM pod, summed over its engines. Counters are totals since the start of the process."""

    pod: str
    at_seconds: float
    started_seconds: float | None  # start of the process, when its counters were zero
    running: float | None = None
    waiting: float | None = None
    finished_total: float | None = None
    rejected_total: float | None = None
    prompt_tokens_total: float | None = None
    cached_prompt_tokens_total: float | None = None
    generation_tokens_total: float | None = None
    request_prompt_tokens_sum: float | None = None
    request_prompt_tokens_count: float | None = None
    request_generation_tokens_sum: float | None = None
    request_generation_tokens_count: float | None = None
    first_tokens_total: float | None = None  # requests whose first token has been generated
    queue_times_total: float | None = None  # finished requests whose time in the queue was counted
    late_total: float | None = None  # of those, the ones that waited for longer than the policy's queue wait
    engines: float | None = None  # that the sums are over
    asleep: bool = False


@dataclass(frozen=True, slots=True)
class Fan:
    """A quantile forecast: quantiles of the MAXIMUM demand, in replicas, over each horizon from `as_of_seconds`.

    `values[i][j]` belongs to `horizons_seconds[i]` and `probabilities[j]`; both ascend, and so do the values.
    """

    as_of_seconds: float
    horizons_seconds: tuple[float, ...]
    probabilities: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]
    model: str  # the family of the fitted model
    proven: bool  # has saved GPU-hours at equal attainment; otherwise it is not used
    note: str = ""  # what it would have saved or cost, or why the model is a fallback
    headroom: float = 1.0  # the share of the headroom that is used with it
    level_headroom: float = 1.0  # the share of the level's headroom that the recorded days needed


@dataclass(frozen=True, slots=True)
class Window:
    """A scheduled window, resolved to UTC."""

    name: str
    start_seconds: float
    end_seconds: float
    min_replicas: int


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that one decision is made from."""

    now_seconds: float
    on_grid: bool  # a grid tick advances the filters; an event between two may only raise
    samples: tuple[PodSample, ...]  # the newest of each pod, at any age
    supply: Supply | None  # None: unknown
    cold_start: ColdStart  # as measured or configured; resolved by the shell
    fan: Fan | None = None
    windows: tuple[Window, ...] = ()


class Basis(StrEnum):
    """What demand was computed from."""

    WORK = "Work"
    CONCURRENCY = "Concurrency"
    UNKNOWN = "Unknown"


class Verdict(StrEnum):
    """What the reading of one pod is worth. Whatever is not known for certain holds the number of replicas."""

    COUNTED = "Counted"  # believed
    STARTING = "Starting"  # has never served: a known zero
    FIRST = "First"  # there is no earlier reading to compare it with
    ASLEEP = "Asleep"  # its engines sleep: their zero is not idle
    UNREAD = "Unread"  # serves, and has no reading
    STALE = "Stale"  # too old, or from the future
    INCOMPLETE = "Incomplete"  # lacks a metric that it, or another pod, had before
    IMPOSSIBLE = "Impossible"  # beyond what an engine can do, or at odds with itself
    RESET = "Reset"  # a counter fell, or another process shows it: what came in between is not known
    UNCHANGED = "Unchanged"  # busy, and nothing has moved since the last tick
    STUCK = "Stuck"  # the same, for minutes: its requests are not load


@dataclass(frozen=True, slots=True)
class Reading:
    """The verdict on one pod's newest reading."""

    pod: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Demand:
    """Demand on all pods of a workload; a lower bound if `coverage` is below 1."""

    at_seconds: float
    basis: Basis
    coverage: float  # share of serving pods with a fresh and complete sample
    replicas: float | None  # demand of the last grid step, in replicas
    recent_replicas: float | None  # demand over the last 30 s, in replicas
    waiting: float | None  # requests
    running: float | None  # requests
    arrivals_per_second: float | None
    work_seconds: float  # replica-seconds that one request takes
    readings: tuple[Reading, ...] = ()  # one for each pod, by name


# ---------------------------------------------------------------- state


@dataclass(frozen=True, slots=True)
class PodMark:
    """A pod's reading at the last grid tick that brought news of it. A metric that it lacked keeps its last value."""

    reading: PodSample
    comparable: bool = True  # whether growth can be counted from it
    fell: tuple[float, float] | None = None  # (time, requests that had arrived), if the counters fell lately
    hurried: bool = False  # more requests ended than an engine serves of those that came lately


@dataclass(frozen=True, slots=True)
class Tokens:
    """Sums over finished requests and processed tokens, which decay with a time constant of 10 min."""

    requests: float = 0.0
    prompt_tokens: float = 0.0
    generation_tokens: float = 0.0
    prefilled_tokens: float = 0.0  # including cached tokens
    cached_tokens: float = 0.0


@dataclass(frozen=True, slots=True)
class Headroom:
    """How the headroom is trimmed by late requests. All but the factor decay with a time constant of a day."""

    factor: float = 1.0  # of its standard deviations
    requests: float = 0.0  # finished, whose time in the queue is known ...
    late: float = 0.0  # ... those of them that waited for too long ...
    ticks: float = 0.0  # ... in so many ticks


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of demand. They advance on grid ticks only."""

    tick_seconds: float | None = None
    marks: tuple[PodMark, ...] = ()
    arrivals: tuple[tuple[float, float], ...] = ()  # (tick, requests per second since the tick before), about 30 s
    tokens: Tokens = Tokens()
    arrived: float = 0.0  # requests that came and stayed; decays with a time constant of 30 s
    begun: float = 0.0  # requests that came, by what the engine began; decays alike
    level: float | None = None  # smoothed demand, replicas
    levels: tuple[tuple[float, float], ...] = ()  # (tick, level), about 5 min
    volatility: float | None = None
    headroom: Headroom = Headroom()
    settled_seconds: float | None = None  # after a fault, until when levels say nothing about volatility
    unlisted_seconds: float | None = None  # since when the list lacks pods that the scale counts


@dataclass(frozen=True, slots=True)
class Curve:
    """What busy replicas showed of decode steps a second beside the work done: the open window, and sums over those before.

    Prefill and decode are replica-seconds by the profile; in `means` and `moments`, per second of a replica.
    """

    since_seconds: float | None = None  # start of the window
    span_seconds: float = 0.0  # of its replicas together
    running_seconds: float = 0.0
    prefill_seconds: float = 0.0
    decode_seconds: float = 0.0
    count: float = 0.0  # windows
    weight: float = 0.0  # replicas in them
    means: tuple[float, float, float] = (0.0, 0.0, 0.0)  # prefill, decode, steps: of the last quarter of an hour or so
    # Deviations from the means: prefill squared, prefill * decode, decode squared, prefill * steps, decode * steps, steps squared.
    moments: tuple[float, float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Capacity:
    """What was learned about one replica. In logarithms, so that doubling and halving weigh the same."""

    log_work_ratio: float = 0.0  # true work over the profile's
    log_concurrency_ratio: float = 0.0  # true sustainable concurrency over the profile's
    count: float = 0.0  # observations of replicas with a queue; older ones fade
    queued_seconds: float | None = None  # time of the last of them
    curve: Curve = Curve()


@dataclass(frozen=True, slots=True)
class Decided:
    """The last decision and what the next must respect. `peaks` are (time, count); their maximum is held."""

    replicas: int | None = None
    prepared: int = 0
    peaks: tuple[tuple[float, int], ...] = ()
    prepared_peaks: tuple[tuple[float, int], ...] = ()
    scaled_down_seconds: float | None = None  # time of the last scale-down
    scaled_up: tuple[tuple[float, int], ...] = ()  # (time, replicas before it), about 1 min
    blind_until_seconds: float | None = None  # nothing is scaled down until then, after a restart


@dataclass(frozen=True, slots=True)
class State:
    """Everything that a policy remembers between two steps."""

    filters: Filters = Filters()
    capacity: Capacity = Capacity()
    decided: Decided = Decided()


# ---------------------------------------------------------------- decisions


class Rule(StrEnum):
    """The rules of the core. Each reason names its rule."""

    MINIMUM = "Minimum"
    REACTIVE = "Reactive"
    VOLATILITY = "VolatilityFloor"
    SMALL_FLEET = "SmallFleet"
    FORECAST = "Forecast"
    SCHEDULED = "Scheduled"
    UNKNOWN = "UnknownHolds"
    PARTIAL = "PartialHolds"
    BETWEEN_TICKS = "BetweenTicks"
    RESTARTED = "RestartHolds"
    HOLD = "Hold"
    SCALE_DOWN_LIMIT = "ScaleDownLimit"
    SCALE_UP_LIMIT = "ScaleUpLimit"
    MAXIMUM = "Maximum"
    LEAD = "LeadTime"
    PREPARED = "PreparedForLead"
    PREPARED_LIMIT = "PreparedLimit"
    PREPARED_HOLD = "PreparedHold"
    HANDOVER = "Handover"
    GRANT = "PoolGrant"


@dataclass(frozen=True, slots=True)
class Reason:
    """What one rule asks for. `numbers` are the figures for its explanation."""

    rule: Rule
    replicas: float  # the count that the rule asks for or allows: replicas, or nodes in the reasons of prepared nodes
    numbers: tuple[tuple[str, float], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Echelon:
    """How many units to hold at a rung. The first reason decided the count."""

    rung: Rung
    count: int
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What was decided: one echelon for each rung at which units are held, `SERVING` first.

    `mode` and `current_replicas` are those of the moment: in mode Shadow, the plan is compared with what runs instead.
    """

    at_seconds: float
    echelons: tuple[Echelon, ...]
    mode: Mode = Mode.ACTIVE
    current_replicas: int | None = None  # that the target is set to run; None: unknown

    def echelon(self, rung: Rung) -> Echelon:
        """The echelon of a rung; an empty one if the plan has none."""
        return next((each for each in self.echelons if each.rung is rung), Echelon(rung, 0, ()))

    @property
    def desired_replicas(self) -> int:
        """Replicas to run."""
        return self.echelon(Rung.SERVING).count

    @property
    def replica_reasons(self) -> tuple[Reason, ...]:
        """Why this many replicas."""
        return self.echelon(Rung.SERVING).reasons

    @property
    def prepared_nodes(self) -> int:
        """Nodes to hold with a GPU and the image, beside the replicas."""
        return self.echelon(Rung.IMAGE_READY).count

    @property
    def prepared_reasons(self) -> tuple[Reason, ...]:
        """Why this many prepared nodes."""
        return self.echelon(Rung.IMAGE_READY).reasons

    def replicas_before(self, before: "Plan | None") -> int | None:
        """Replicas before this plan: what the last one decided or, where that was in the other mode, what ran. None: unknown."""
        if before is None:
            return None
        return before.desired_replicas if before.mode is self.mode else self.current_replicas

    def differs_from(self, other: "Plan | None") -> bool:
        """Whether a count or the mode differs; reasons and time do not matter."""
        return other is None or (self.mode, self.counts) != (other.mode, other.counts)

    @property
    def counts(self) -> tuple[tuple[Rung, int], ...]:
        """(rung, units) of each echelon."""
        return tuple((each.rung, each.count) for each in self.echelons)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a pool lets a workload have: units at each rung. Without a pool, what was asked for."""

    replicas: int
    prepared_nodes: int
    note: str = ""  # where it is less than was asked for: which limit refuses more, and who holds what


@dataclass(frozen=True, slots=True)
class StepResult:
    """A decision: the next state, the plan, and the observed demand. The next one is due at `engine.next_tick`."""

    state: State
    plan: Plan | None  # None while not even the number of replicas is known
    demand: Demand
    grant: Grant | None = None  # None without a plan
