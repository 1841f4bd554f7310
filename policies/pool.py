"""The values of a pool: its settings, what one of its decisions is made from, and what is decided.

A pool is a finite number of GPUs of one model that several workloads share by rule. Like those of `policies.model` all are
frozen and convertible to JSON; times are Unix seconds, money is in US dollars, and `None` means unknown or unlimited, as said.
"""

from dataclasses import dataclass
from enum import StrEnum

from policies.model import Grant

# ---------------------------------------------------------------- settings


class OfferingKind(StrEnum):
    """On which terms a cloud gives the nodes of an offering."""

    RESERVED = "Reserved"
    SPOT = "Spot"
    ON_DEMAND = "OnDemand"


@dataclass(frozen=True, slots=True)
class Offering:
    """One way to get nodes. Those of a pool are asked in their order."""

    name: str
    kind: OfferingKind
    price_per_gpu_hour: float
    gpus_per_node: int
    max_nodes: int | None = None  # None: no limit


@dataclass(frozen=True, slots=True)
class Seat:
    """What a pool's administrator allows one workload: of the first of the pool's member rules that matches it."""

    member: str  # the name of the rule
    owner: str  # a team; empty: none is stated
    priority: int  # higher goes first
    weight: float  # share among equal priorities, above 0
    guaranteed_gpus: int  # of the rule, shared by all its workloads
    max_gpus: int | None  # likewise; None: the pool's limit alone


@dataclass(frozen=True, slots=True)
class Limits:
    """What all members together may have. None: no limit."""

    gpus: int | None = None
    usd_per_day: float | None = None


@dataclass(frozen=True, slots=True)
class StandbySettings:
    """How many whole nodes are held for whichever member needs one next."""

    max_nodes: int = 0  # 0: none
    min_nodes: int = 0
    hold_seconds: float = 60.0  # a node is kept this long after it was last needed


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool with every default resolved. Its members are in the inputs: who they are is known to the shell."""

    name: str
    owner: str
    contact: str
    offerings: tuple[Offering, ...]
    limits: Limits = Limits()
    standby: StandbySettings = StandbySettings()


# ---------------------------------------------------------------- inputs


@dataclass(frozen=True, slots=True)
class Ask:
    """What one member asks for, from its last proposal. GPUs are replicas times `gpus_per_replica`."""

    workload: str  # namespace/name
    seat: Seat | None  # None: no rule of the pool matches it, so that it may not grow
    gpus_per_replica: int
    kept_replicas: int  # that no limit takes back: max(decided, spec), at most what is asked
    needed_replicas: int  # present demand without holds: a higher priority that is refused may end what is above
    held_replicas: int  # that exist or are decided: what occupies GPUs
    asked: Grant
    level_gpus: float | None = None  # smoothed demand, as far as its policy lets it be served; None: unknown
    serving_gpus: int = 0  # of replicas that serve
    starting_gpus: int = 0  # of replicas on a node that do not serve yet
    unplaced_gpus: int = 0  # of replicas without a node
    shadow: bool = False  # only reported: what runs counts, and nothing is granted beyond it
    price_per_gpu_hour: float = 0.0  # by the offerings of its nodes; without a pool its policy's
    used_gpus: float = 0.0  # of those that serve, what demand keeps busy
    held_prepared: int = 0  # prepared nodes that exist or are decided, with the GPUs of one replica each
    settled: bool = False  # it does not ask in this turn: what it has stays, its holds too
    unheeded_replicas: int = 0  # of its scale beyond those kept, for minutes: nobody carries its decisions out


class StandbyPhase(StrEnum):
    """How far a standby node has come. `Refused`, `Waiting` and `Starting` are different reasons everywhere."""

    WAITING = "Waiting"  # admission has not let its pod in: suspended, or gated
    REQUESTED = "Requested"  # its pod exists and has no node
    REFUSED = "Refused"  # the offering said that it has no capacity
    STARTING = "Starting"  # its node has registered, and holds no allocatable GPU yet
    READY = "Ready"  # a replica can start on it
    LEAVING = "Leaving"  # its deletion has begun


@dataclass(frozen=True, slots=True)
class StandbyUnit:
    """One standby node as observed."""

    name: str
    offering: str
    phase: StandbyPhase
    requested_seconds: float
    since_seconds: float  # when it came to this phase
    node: str | None = None
    images: int = 0  # of members, known to be on it


@dataclass(frozen=True, slots=True)
class OfferingInput:
    """What is known of one offering now."""

    name: str
    open: bool  # its validity window
    nodes: int  # nodes of it that exist, whoever holds them
    patience_seconds: float  # after which a claim without a node counts as refused: the ledger's p95, 3 to 15 min
    until_seconds: float | None = None  # when its window closes
    refused_seconds: float | None = None  # when it last refused a node to anyone, by an Event; None: not seen


@dataclass(frozen=True, slots=True)
class Day:
    """The current day in the pool's time zone, resolved by the shell."""

    name: str  # 2026-11-26
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True, slots=True)
class PoolInputs:
    """Everything that one decision of a pool is made from."""

    now_seconds: float
    on_grid: bool  # between two ticks only growth is granted, and nothing else moves
    asks: tuple[Ask, ...]  # one of each member, by name
    standby: tuple[StandbyUnit, ...] | None  # None: unknown
    offerings: tuple[OfferingInput, ...]  # in the pool's order
    day: Day
    node_lead_seconds: float  # request -> a replica can start there: what a standby node saves
    leaving_nodes: int = 0  # of members, given notice (spot, disruption): one more is needed for each at once
    replicas_on: tuple[tuple[str, str], ...] = ()  # (node, workload) of members' replicas: who took a standby node
    other_gpus: int = 0  # of the pool's nodes, held by nobody of the pool: shown, not limited


# ---------------------------------------------------------------- state


@dataclass(frozen=True, slots=True)
class OfferingState:
    """What a pool remembers of an offering."""

    name: str
    resting_until_seconds: float | None = None
    rest_seconds: float = 180.0  # of the next rest: doubles with each refusal up to 30 min, halves with each success
    refused_seconds: float | None = None  # the last refusal that was counted
    landed_seconds: float | None = None  # the last node that came
    nodes: int | None = None  # that existed at the last tick; None: not observed yet


@dataclass(frozen=True, slots=True)
class Usage:
    """GPU-seconds by what they were for, and their cost."""

    serving: float = 0.0
    starting: float = 0.0  # nodes that members prepare for themselves included
    standby: float = 0.0  # taken over by this workload later (of a workload), or by any (of a pool)
    wasted: float = 0.0  # standby that nobody took
    idle: float = 0.0  # of a pool: nodes' GPUs that neither members nor standby nor others held
    used: float = 0.0  # of `serving`, what demand kept busy
    usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Account:
    """What was spent, cumulative. A restart goes on with it."""

    since_seconds: float | None = None
    at_seconds: float | None = None  # up to when everything is counted
    total: Usage = Usage()
    workloads: tuple[tuple[str, Usage], ...] = ()  # by name
    open_standby: tuple[tuple[str, float, float], ...] = ()  # (node, GPU-seconds, dollars) not yet used or wasted
    ended_standby: tuple[tuple[str, float], ...] = ()  # (node, since when): of the open, those that are standby no more
    day: str = ""
    day_usd: float = 0.0  # since the day began


@dataclass(frozen=True, slots=True)
class PoolState:
    """Everything that a pool remembers between two decisions."""

    offerings: tuple[OfferingState, ...] = ()
    tick_seconds: float | None = None
    level: float | None = None  # smoothed demand of all members, GPUs
    levels: tuple[tuple[float, float], ...] = ()  # (tick, level), about 5 min
    volatility: float | None = None  # of the sum
    standby_peaks: tuple[tuple[float, int], ...] = ()  # (time, GPUs needed, of members' replicas and standby together)
    standby_nodes: int = 0  # decided last
    claims: "tuple[Claim, ...]" = ()  # decided last
    account: Account = Account()


# ---------------------------------------------------------------- decisions


class Limit(StrEnum):
    """Why growth was refused."""

    POOL_GPUS = "PoolGPUs"
    MONEY = "Money"
    MEMBER_GPUS = "MemberGPUs"
    NO_MEMBER = "NoMember"  # no rule of the pool matches the workload
    NO_POOL = "NoPool"  # the pool does not exist, or is invalid
    GUARANTEES = "Guarantees"  # what is left is guaranteed to others
    SHADOW = "Shadow"  # only what runs counts of a workload whose decisions are not carried out


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was refused to one member, and by what."""

    limit: Limit
    refused_replicas: int
    limit_value: float  # GPUs, or dollars a day
    # (workload, owner, GPUs), most first: who holds what. An empty workload: all others. Of GUARANTEES: member rules
    # instead of workloads, and what is guaranteed to them beyond what they hold.
    holders: tuple[tuple[str, str, int], ...] = ()
    refused_prepared: int = 0  # nodes


@dataclass(frozen=True, slots=True)
class Granted:
    """What one member may have."""

    workload: str
    grant: Grant
    refusal: Refusal | None = None
    ended_hold_for: str = ""  # the workload of higher priority for which a hold was ended


class Step(StrEnum):
    """Why a pool asks an offering for nodes, or for none."""

    FIRST = "First"  # the first that is open and does not rest
    HEDGE = "Hedge"  # one node, since an earlier one is late; its claim stays
    MORE = "More"  # the hedge has landed: as many as are missing
    RESTING = "Resting"
    CLOSED = "Closed"
    FULL = "Full"


@dataclass(frozen=True, slots=True)
class Claim:
    """How many standby nodes to hold from one offering."""

    offering: str
    nodes: int
    step: Step


@dataclass(frozen=True, slots=True)
class PoolReason:
    """Why this many standby nodes: one rule's count with its numbers."""

    rule: str  # of `policies.standby`
    nodes: float
    numbers: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """What was decided for a pool."""

    at_seconds: float
    grants: tuple[Granted, ...]  # by workload
    standby_nodes: int
    claims: tuple[Claim, ...]  # in the pool's order
    reasons: tuple[PoolReason, ...]  # of standby_nodes; the first decided
    granted_gpus: int
    held_gpus: int
    projected_usd: float | None = None  # to the day's end, if all goes on as granted

    def granted(self, workload: str) -> Granted | None:
        """What one member may have; None of one that did not ask."""
        return next((each for each in self.grants if each.workload == workload), None)


@dataclass(frozen=True, slots=True)
class PoolResult:
    """A decision of a pool: the next state, and the plan."""

    state: PoolState
    plan: PoolPlan
