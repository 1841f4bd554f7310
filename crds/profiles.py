"""Profiles: how fast an engine serves, how long it takes to start and what its GPU costs, by model class and GPU.

Cold starts are those of a plain vLLM pod on a stock node, whose stages run one after the other:
node = reaction + machine; gpu = driver and device plugin; image = cold pull of 9.6 GB; weights = to local disk;
warmup = process + load from page cache + compile miss + profiling and graphs + probe.
Medians add up. The 95th percentile of a sum is the sum of medians plus the root of the summed squares of what each
stage's 95th percentile lies above its median.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Literal

from policies.model import Engine
from policies.supply import ColdStart, Stage

DEFAULT_PROFILE: Literal["8b-l4"] = "8b-l4"  # the slowest, so that uncertainty means more capacity, not less
_PREFILL_MAX_SHARE = 0.85  # of GPU time, while decoding goes on beside it


@dataclass(frozen=True, slots=True)
class Profile:
    """What to assume of one model class on one kind of GPU until it is learned."""

    engine: Engine
    cold_start: ColdStart
    gpus_per_replica: int
    price_per_gpu_hour: float  # in US dollars, on demand


def _stage(*parts: tuple[float, float]) -> Stage:
    median = float(sum(p50 for p50, _ in parts))
    return Stage(median, round(median + sqrt(sum((p95 - p50) ** 2 for p50, p95 in parts)), 1))


PROFILES = {
    "8b-l4": Profile(
        Engine(2500.0, 0.0025, _PREFILL_MAX_SHARE, 32.0),
        ColdStart(
            node=_stage((2, 12), (36, 90)),
            gpu=_stage((37, 110)),
            image=_stage((230, 330)),
            weights=_stage((60, 150)),
            warmup=_stage((60, 100), (12, 35), (50, 80), (22, 35), (5, 10)),
        ),
        gpus_per_replica=1,
        price_per_gpu_hour=0.8,
    ),
    "8b-a10g": Profile(
        Engine(3500.0, 0.0016, _PREFILL_MAX_SHARE, 48.0),
        ColdStart(
            node=_stage((3, 10), (50, 120)),
            gpu=_stage((25, 60)),
            image=_stage((220, 320)),
            weights=_stage((40, 110)),
            warmup=_stage((35, 60), (10, 30), (52, 80), (20, 40), (5, 10)),
        ),
        gpus_per_replica=1,
        price_per_gpu_hour=1.0,
    ),
    "8b-h100": Profile(
        Engine(20_000.0, 0.0002, _PREFILL_MAX_SHARE, 256.0),
        ColdStart(
            node=_stage((3, 10), (180, 480)),
            gpu=_stage((30, 90)),
            image=_stage((180, 300)),
            weights=_stage((20, 60)),
            warmup=_stage((10, 20), (2, 6), (23, 40), (6, 15), (5, 10)),
        ),
        gpus_per_replica=1,
        price_per_gpu_hour=4.0,
    ),
    "70b-tp4-h100": Profile(
        Engine(8000.0, 0.0006, _PREFILL_MAX_SHARE, 128.0),
        ColdStart(
            node=_stage((3, 10), (200, 540)),
            gpu=_stage((30, 90)),
            image=_stage((180, 300)),
            weights=_stage((75, 240)),
            warmup=_stage((35, 70), (15, 40), (85, 130), (25, 60), (5, 10)),
        ),
        gpus_per_replica=4,
        price_per_gpu_hour=4.0,
    ),
}
