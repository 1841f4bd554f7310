"""What is known of one start of a replica: its parts, each from when to when, and how much of it was hidden by another."""

from dataclasses import dataclass
from enum import StrEnum

PATHS = ("", "pulled", "present", "hit", "miss", "existing")  # how a part came about; "": unknown, or only one way


class Part(StrEnum):
    """The parts of a start, in the order in which a replica passes them."""

    REACTION = "reaction"  # request -> the node autoscaler asks for a node
    NODE = "node"  # -> the kubelet has registered
    GPU = "gpu"  # -> the GPU is allocatable
    IMAGE = "image"  # pull and unpack
    WEIGHTS = "weights"  # to the node's disk
    PROCESS = "process"  # container start -> the engine begins to load
    LOAD = "load"  # weights to the GPU
    COMPILE = "compile"
    GRAPHS = "graphs"  # profiling, the KV cache and CUDA graphs
    PROBE = "probe"  # the engine is up -> the pod is Ready
    WARMUP = "warmup"  # the five above, where only their sum is seen


WARMUP_PARTS = (Part.PROCESS, Part.LOAD, Part.COMPILE, Part.GRAPHS, Part.PROBE)


@dataclass(frozen=True, slots=True)
class Span:
    """One part of a start. Times are Unix seconds."""

    part: Part
    begin_seconds: float
    end_seconds: float
    path: str = ""  # one of PATHS

    @property
    def seconds(self) -> float:
        """How long it took; 0 where clocks of two machines disagree about which came first."""
        return max(0.0, self.end_seconds - self.begin_seconds)


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a replica. A part that was not seen has no span."""

    pod: str
    node: str
    requested_seconds: float
    serving_seconds: float | None  # None: it did not come to serve
    spans: tuple[Span, ...] = ()


def hidden_seconds(start: Start) -> float:
    """Seconds of a start's parts that passed while another part was under way: their sum, less the time that they cover."""
    covered = 0.0
    until = float("-inf")
    for span in sorted(start.spans, key=lambda span: span.begin_seconds):
        covered += max(0.0, span.end_seconds - max(until, span.begin_seconds))
        until = max(until, span.end_seconds)
    return max(0.0, sum(span.seconds for span in start.spans) - covered)
