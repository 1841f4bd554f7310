"""The values that the core speaks: what it is told, what it remembers, what it decides.

All are frozen, JSON-able by `policies.codec`, and hold plain Python values. Times are scenario time in Unix seconds.
`None` means unknown, which is never the same as zero.
"""

from dataclasses import dataclass
from enum import StrEnum

# ---------------------------------------------------------------- what an SRE asks for


class Signal(StrEnum):
    """What demand is measured by."""

    WORK = "Work"  # arrivals weighted by their tokens
    CONCURRENCY = "Concurrency"  # running + waiting requests


@dataclass(frozen=True, slots=True)
class Engine:
    """How fast one replica serves, as a seed until it is learned."""

    prefill_tokens_per_second: float
    decode_seconds_per_token: float  # per request, amortised over the working batch
    prefill_max_share: float  # of GPU time, where decoding goes on beside it
    max_concurrency: float  # requests that one replica runs at once


@dataclass(frozen=True, slots=True)
class Stage:
    """One latency of a cold start: log-normal, given by two quantiles in seconds."""

    p50_seconds: float
    p95_seconds: float


@dataclass(frozen=True, slots=True)
class ColdStart:
    """The four latencies that a new replica waits for, in the order in which they are climbed."""

    node: Stage  # request -> GPU allocatable
    image: Stage  # pull and unpack
    weights: Stage  # to the node's disk
    warmup: Stage  # process start -> ready to serve


@dataclass(frozen=True, slots=True)
class Policy:
    """One service's policy, complete: every default is resolved."""

    name: str  # namespace/name
    signal: Signal
    min_replicas: int
    max_replicas: int
    queue_wait_seconds: float  # the SLO: a request may wait this long ...
    attainment: float  # ... in this share of cases, 0.5 .. 0.9999
    engine: Engine
    cold_start: ColdStart
    hold_seconds: float | None  # None: as long as a restart would take
    growth_replicas_per_minute: int | None  # None: no limit
    release_percent_per_minute: float
    max_prepared_nodes: int


# ---------------------------------------------------------------- what is observed


@dataclass(frozen=True, slots=True)
class PodSample:
    """One reading of one vLLM pod, summed over its engines. Counters are totals since the process started."""

    pod: str
    at_seconds: float
    started_seconds: float | None  # when the process started; its counters were zero then
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
    asleep: bool = False


@dataclass(frozen=True, slots=True)
class Supply:
    """What is there: the units of supply by rung."""

    spec_replicas: int  # what the scale target is told to run
    ready: tuple[str, ...]  # names of the pods that serve
    starting: int  # pods on a node, not serving yet
    unplaced: int  # pods without a node
    prepared: int  # balloons whose node holds a GPU and the image
    preparing: int  # balloons on the way there

    @property
    def placed(self) -> int:
        """Pods that have a node."""
        return len(self.ready) + self.starting


@dataclass(frozen=True, slots=True)
class Fan:
    """Quantiles of the MAXIMUM of demand, in replicas, over each horizon from `as_of_seconds`.

    `values[i][j]` belongs to `horizons_seconds[i]` and `probabilities[j]`; both ascend, and so do the values.
    """

    as_of_seconds: float
    horizons_seconds: tuple[float, ...]
    probabilities: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]
    model: str  # the family that spoke
    proven: bool  # it has skill against naive; without it the fan has no voice
    note: str = ""  # why a fall-back spoke, empty otherwise


@dataclass(frozen=True, slots=True)
class Window:
    """A scheduled window, resolved to UTC."""

    name: str
    start_seconds: float
    end_seconds: float
    min_replicas: int


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that one decision is made from."""

    now_seconds: float
    on_grid: bool  # a grid tick advances the filters; an event between two may only raise
    samples: tuple[PodSample, ...]  # the newest of each pod, whatever its age
    supply: Supply | None  # None: the cluster did not say
    fan: Fan | None = None
    windows: tuple[Window, ...] = ()


class Basis(StrEnum):
    """What the demand was computed from."""

    WORK = "Work"
    CONCURRENCY = "Concurrency"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Demand:
    """The fleet's demand. A lower bound where `coverage` is below 1."""

    at_seconds: float
    basis: Basis
    coverage: float  # share of the serving pods that gave a fresh and whole sample
    replicas: float | None  # demand of the last grid step, in replicas
    recent_replicas: float | None  # demand over the last 30 s, in replicas
    waiting: float | None  # requests
    running: float | None  # requests
    arrivals_per_second: float | None
    work_seconds: float  # replica-seconds that one request takes


# ---------------------------------------------------------------- what is remembered


@dataclass(frozen=True, slots=True)
class PodMark:
    """A pod's counters at the last grid tick."""

    pod: str
    at_seconds: float
    arrived_total: float
    prompt_tokens_total: float
    cached_prompt_tokens_total: float
    generation_tokens_total: float
    request_prompt_tokens_sum: float
    request_prompt_tokens_count: float
    request_generation_tokens_sum: float
    request_generation_tokens_count: float
    saturated: bool  # a queue stood before it


@dataclass(frozen=True, slots=True)
class Tokens:
    """Sums over finished requests and processed tokens that fade with a time constant of 10 min."""

    requests: float = 0.0
    prompt_tokens: float = 0.0
    generation_tokens: float = 0.0
    prefilled_tokens: float = 0.0  # cached ones included
    cached_tokens: float = 0.0


@dataclass(frozen=True, slots=True)
class Filters:
    """What demand is filtered through. Moves on grid ticks only."""

    tick_seconds: float | None = None
    marks: tuple[PodMark, ...] = ()
    arrivals: tuple[tuple[float, float], ...] = ()  # (tick, requests per second since the tick before), about 30 s
    tokens: Tokens = Tokens()
    level: float | None = None  # smoothed demand, replicas
    levels: tuple[tuple[float, float], ...] = ()  # (tick, level), about 5 min
    volatility: float | None = None


@dataclass(frozen=True, slots=True)
class Capacity:
    """What was learned of one replica while something waited. Logarithms, so that twice and half weigh alike."""

    count: float = 0.0
    log_work_ratio: float = 0.0  # true work over the profile's
    log_concurrency_ratio: float = 0.0  # true sustainable concurrency over the profile's


@dataclass(frozen=True, slots=True)
class Decided:
    """The last decision and what it must still respect. `peaks` are (time, count) whose maximum is held."""

    replicas: int | None = None
    prepared: int = 0
    peaks: tuple[tuple[float, int], ...] = ()
    prepared_peaks: tuple[tuple[float, int], ...] = ()
    released_seconds: float | None = None  # of the last release
    grown: tuple[tuple[float, int], ...] = ()  # (time, replicas before it), about 1 min
    blind_until_seconds: float | None = None  # nothing falls until then (a restart)


@dataclass(frozen=True, slots=True)
class State:
    """All that a policy remembers between two steps."""

    filters: Filters = Filters()
    capacity: Capacity = Capacity()
    decided: Decided = Decided()


# ---------------------------------------------------------------- what is decided


class Rule(StrEnum):
    """Why: one per rule of the core."""

    MINIMUM = "Minimum"
    REACTIVE = "Reactive"
    VOLATILITY = "VolatilityFloor"
    FORECAST = "Forecast"
    SCHEDULED = "Scheduled"
    UNKNOWN = "UnknownHolds"
    PARTIAL = "PartialHolds"
    BETWEEN_TICKS = "BetweenTicks"
    RESTARTED = "RestartHolds"
    HOLD = "Hold"
    RELEASE_LIMIT = "ReleaseLimit"
    GROWTH_LIMIT = "GrowthLimit"
    MAXIMUM = "Maximum"
    LEAD = "LeadTime"
    PREPARED = "PreparedForLead"
    PREPARED_LIMIT = "PreparedLimit"
    PREPARED_HOLD = "PreparedHold"
    HANDOVER = "Handover"


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule's word. `numbers` are the figures that an explanation names."""

    rule: Rule
    replicas: float  # what the rule asks for, or what it leaves
    numbers: tuple[tuple[str, float], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What shall be. The first reason of each list is the one that set the number."""

    at_seconds: float
    desired_replicas: int
    prepared_nodes: int
    replica_reasons: tuple[Reason, ...]
    prepared_reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class StepResult:
    """A decision: the next state, the plan, and what was seen. The next is due at `engine.next_tick`."""

    state: State
    plan: Plan | None  # None: nothing is known yet, not even how many replicas there are
    demand: Demand
