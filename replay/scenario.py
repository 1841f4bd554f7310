"""A scenario: the traffic, the past before it, and the hardware it meets. All that a policy does not choose."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from policies.model import ColdStart, Stage
from replay.traces.trace import Trace


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
    cold_start=ColdStart(
        node=Stage(75.0, 166.4), image=Stage(230.0, 330.0), weights=Stage(60.0, 150.0), warmup=Stage(149.0, 205.8)
    ),
    reaction_seconds=2.0,
    gpus_per_replica=1,
    gpus_per_node=1,
    price_per_gpu_hour=0.8,
    node_idle_seconds=60.0,
    max_nodes=64,
)


def build(
    trace: Trace,
    *,
    scale: float = 1.0,
    start_seconds: float = 0.0,
    duration_seconds: float | None = None,
    past: Literal["trace", "generated", "none"] = "trace",
    hardware: Hardware = L4_8B,
    seed: int = 0,
    initial_replicas: int | None = None,
) -> Scenario:
    """Cut a scenario out of a trace, `start_seconds` into it. By default to its end, with a fleet that fits the start.

    `past="trace"` takes the trace's own traffic before the start; `"generated"` makes seven days of the trace's mean
    level with a daily rhythm. Raises ValueError for a window without requests.
    """
    raise NotImplementedError(math.nan)
