"""A scenario: the traffic, the past before it, and the hardware it meets. All that a policy does not choose."""

from dataclasses import dataclass, replace

from crds.profiles import PROFILES
from crds.workload import Workload
from policies.capacity import work_seconds
from policies.model import Engine
from policies.supply import ColdStart, Stage
from replay.scenario.actuators import NO_ACTUATORS, Actuators, CompileCache
from replay.traces.trace import Requests, Totals


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a replica and a node really are. No policy sees it."""

    name: str
    prefill_tokens_per_second: float
    prefill_max_share: float  # of GPU time, while sequences decode beside it
    step_base_seconds: float  # a decode step of a batch of n takes base + n * per sequence, and gives n tokens
    step_sequence_seconds: float
    max_num_seqs: int
    kv_tokens: int
    cold_start: ColdStart
    reaction_seconds: float  # pending pod -> node launch; the unbilled head of the node stage
    gpus_per_replica: int
    gpus_per_node: int
    price_per_gpu_hour: float
    node_idle_seconds: float  # an empty node is removed after this
    max_nodes: int
    cached_warmup: Stage | None = None  # the warm-up where all is compiled already; None: not known
    process_seconds: float = 0.0  # of the warm-up, until the engine's process has begun to load
    slowness_sigma: float = 0.0  # of the log of one factor for a node's image, weights and process

    @property
    def replicas_per_node(self) -> int:
        """Replicas that fit on one node."""
        return self.gpus_per_node // self.gpus_per_replica

    @property
    def engine(self) -> Engine:
        """What a policy's profile would say of it: how fast a replica is with a full batch."""
        decode_seconds = self.step_base_seconds / self.max_num_seqs + self.step_sequence_seconds
        return Engine(self.prefill_tokens_per_second, decode_seconds, self.prefill_max_share, self.max_num_seqs)

    def work_seconds(self, prompt_tokens: float, output_tokens: float) -> float:
        """Time of one replica, with a full batch, that these tokens take."""
        return work_seconds(self.engine, prompt_tokens, output_tokens)

    def replicas(self, prompt_tokens: float, output_tokens: float, seconds: float) -> float:
        """Replicas that these tokens keep busy for `seconds`, with full batches."""
        return self.work_seconds(prompt_tokens, output_tokens) / seconds


@dataclass(frozen=True, slots=True)
class Scenario:
    """One replayable run."""

    name: str
    start_seconds: float  # Unix time of second 0
    duration_seconds: float
    requests: Requests  # arrivals from second 0; each request has a token each way at least
    past: Totals | None  # traffic before the start, in Unix time; NaN where it is unknown
    hardware: Hardware
    seed: int
    initial_replicas: int
    failed_requests: int = 0  # of the whole trace, left out since they got no output
    actuators: Actuators = NO_ACTUATORS

    def __post_init__(self) -> None:
        """Raises ValueError where the hardware does not know what an actuator does to it."""
        if self.actuators.compile_cache is not CompileCache.NONE and self.hardware.cached_warmup is None:
            raise ValueError(
                f"it is not known how much a compile cache shortens the warm-up of {self.hardware.name}; "
                "leave out the compile cache or choose another profile"
            )

    def cold_start(self, stated: ColdStart) -> ColdStart:
        """What a stated cold start becomes with the actuators of this scenario.

        Stages that one of them begins are `ahead`. With a compile cache that all nodes share the warm-up is shorter by as much
        as the hardware's own; one on each node is empty wherever a node is new.
        """
        found, cached = replace(stated, ahead=self.actuators.ahead), self.hardware.cached_warmup
        if self.actuators.compile_cache is not CompileCache.VOLUME or cached is None:
            return found
        whole = self.hardware.cold_start.warmup
        p50 = stated.warmup.p50_seconds * cached.p50_seconds / whole.p50_seconds
        p95 = stated.warmup.p95_seconds * cached.p95_seconds / whole.p95_seconds
        return replace(found, warmup=Stage(p50, max(p50, p95)))

    def resolved(self, workload: Workload) -> Workload:
        """The workload with the cold start that the live controller begins with here: it knows its actuators."""
        return replace(workload, cold_start=self.cold_start(workload.cold_start))


L4_8B = Hardware(
    name="8b-l4",
    prefill_tokens_per_second=2500.0,
    prefill_max_share=0.85,
    step_base_seconds=0.035,
    step_sequence_seconds=0.0014,
    max_num_seqs=32,
    kv_tokens=60_000,
    cold_start=PROFILES["8b-l4"].cold_start,
    reaction_seconds=2.0,
    gpus_per_replica=1,
    gpus_per_node=1,
    price_per_gpu_hour=PROFILES["8b-l4"].price_per_gpu_hour,
    node_idle_seconds=60.0,
    max_nodes=64,
    cached_warmup=Stage(126.0, 174.0),
    process_seconds=60.0,
)
