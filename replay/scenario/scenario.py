"""A scenario: the traffic, the past before it, and the hardware it meets. All that a policy does not choose."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crds.profiles import PROFILES
from policies.model import ColdStart
from replay.traces.trace import Requests, Trace

STEP_SECONDS = 60.0  # of the past's bins
SHORTEST_SECONDS = 1.0
MOST_REQUESTS = 50_000_000  # some 10 GB of memory

PastKind = Literal["trace", "generated", "none"]


@dataclass(frozen=True, slots=True)
class Past:
    """Traffic before the scenario starts, in bins. NaN where it is unknown."""

    start_seconds: float  # Unix time of the first bin
    step_seconds: float
    requests: NDArray[np.float64]
    prompt_tokens: NDArray[np.float64]
    output_tokens: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a replica and a node really are. A policy is told none of it."""

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

    @property
    def replicas_per_node(self) -> int:
        """Replicas that fit on one node."""
        return self.gpus_per_node // self.gpus_per_replica

    def decode_seconds_per_token(self, batch: int) -> float:
        """GPU time of one token of one request, amortised over a batch of that size."""
        return self.step_base_seconds / batch + self.step_sequence_seconds

    def work_seconds(self, prompt_tokens: float, output_tokens: float) -> float:
        """Time of one replica, with a full batch, that so many tokens take."""
        decode_seconds = output_tokens * self.decode_seconds_per_token(self.max_num_seqs)
        prefill_seconds = prompt_tokens / self.prefill_tokens_per_second
        return max(prefill_seconds + decode_seconds, prefill_seconds / self.prefill_max_share)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One replayable run."""

    name: str
    start_seconds: float  # Unix time of second 0
    duration_seconds: float
    arrival_s: NDArray[np.float64]  # from second 0, sorted
    prompt_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    past: Past | None
    hardware: Hardware
    seed: int
    initial_replicas: int


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
)


def build(
    trace: Trace,
    *,
    scale: float = 1.0,
    start_seconds: float = 0.0,
    duration_seconds: float | None = None,
    past: PastKind = "trace",
    hardware: Hardware = L4_8B,
    seed: int = 0,
    initial_replicas: int | None = None,
) -> Scenario:
    """Cut a scenario out of a trace, `start_seconds` into it. By default to its end, with a fleet that fits the start.

    `past="trace"` takes the trace's own traffic before the start; `"generated"` makes seven days of the window's mean
    level with a daily rhythm. Raises ValueError for a window outside the trace or without requests.
    """
    end_seconds = trace.duration_seconds if duration_seconds is None else start_seconds + duration_seconds
    if not 0.0 <= start_seconds < end_seconds <= trace.duration_seconds + 1.0:
        raise ValueError(
            f"{trace.name} lasts {trace.duration_seconds:.0f} s: "
            f"no window from {start_seconds:.0f} to {end_seconds:.0f} s; choose one inside"
        )
    if end_seconds - start_seconds < SHORTEST_SECONDS:
        raise ValueError(f"{trace.name}: a window of less than {SHORTEST_SECONDS:g} s cannot be played")
    if not 0.0 < scale < math.inf:
        raise ValueError(f"scale must be above 0, not {scale}")
    expected = scale * trace.count(start_seconds, end_seconds)
    if expected > MOST_REQUESTS:
        raise ValueError(
            f"{trace.name} has {expected:,.0f} requests from {start_seconds:.0f} to {end_seconds:.0f} s; "
            f"{MOST_REQUESTS:,} are the most: choose a shorter window or a smaller scale"
        )
    requests = trace.window(start_seconds, end_seconds, scale, seed)
    if len(requests) == 0:
        raise ValueError(f"{trace.name} has no requests from {start_seconds:.0f} to {end_seconds:.0f} s")
    start_unix = trace.epoch_seconds + start_seconds
    before = None
    if past == "trace":
        before = _trace_past(trace, scale, start_seconds)
    elif past == "generated":
        before = _generated_past(requests, end_seconds - start_seconds, start_unix, seed)
    return Scenario(
        name=trace.name if scale == 1.0 else f"{trace.name} x{scale:g}",
        start_seconds=start_unix,
        duration_seconds=end_seconds - start_seconds,
        arrival_s=requests.arrival_s,
        prompt_tokens=np.maximum(requests.prompt_tokens, 1),
        output_tokens=np.maximum(requests.output_tokens, 1),
        past=before,
        hardware=hardware,
        seed=seed,
        initial_replicas=_fitting(requests, hardware) if initial_replicas is None else initial_replicas,
    )


def _fitting(requests: Requests, hardware: Hardware) -> int:
    """Replicas that the first ten minutes need, a quarter more than their mean work."""
    first = requests.arrival_s < 600.0
    span_seconds = min(600.0, max(60.0, float(requests.arrival_s[-1])))
    prompt, output = requests.prompt_tokens[first].sum(), requests.output_tokens[first].sum()
    work_seconds = hardware.work_seconds(float(prompt), float(output))
    return min(max(1, math.ceil(1.25 * work_seconds / span_seconds)), hardware.max_nodes * hardware.replicas_per_node)


def _trace_past(trace: Trace, scale: float, start_seconds: float) -> Past | None:
    steps = math.floor(start_seconds / STEP_SECONDS)
    if steps == 0:
        return None
    first_seconds = start_seconds - steps * STEP_SECONDS
    totals = trace.totals(first_seconds, start_seconds, STEP_SECONDS)
    return Past(
        trace.epoch_seconds + first_seconds,
        STEP_SECONDS,
        totals.requests * scale,
        totals.prompt_tokens * scale,
        totals.output_tokens * scale,
    )


def _generated_past(requests: Requests, span_seconds: float, start_unix: float, seed: int) -> Past:
    """Seven days of the window's mean level, in a daily rhythm of half to one and a half that is at 1 at the start."""
    steps = 7 * 1440
    before_seconds = np.arange(-steps, 0) * STEP_SECONDS
    random = np.random.default_rng((seed, 7))
    rising = random.choice((-1.0, 1.0))
    rhythm = 1.0 + 0.5 * rising * np.sin(2 * np.pi * before_seconds / 86_400.0)
    counts = random.poisson(rhythm * len(requests) * STEP_SECONDS / span_seconds).astype(np.float64)
    prompt = counts * float(requests.prompt_tokens.mean())
    output = counts * float(requests.output_tokens.mean())
    return Past(start_unix - steps * STEP_SECONDS, STEP_SECONDS, counts, prompt, output)
