"""How long a stage of a cold start takes. All contenders on one scenario get the same draws."""

import math
from enum import IntEnum

import numpy as np

from policies.supply import Stage


class StageKind(IntEnum):
    """What is drawn; a part of the seed."""

    NODE = 1
    IMAGE = 2
    WEIGHTS = 3
    WARMUP = 4
    GPU = 5


def draw_seconds(stage: Stage | None, kind: StageKind, ordinal: int, seed: int) -> float:
    """A log-normal time with the stage's two quantiles, the same for the same node or pod of any run. None takes no time."""
    if stage is None:
        return 0.0
    normal = np.random.default_rng((seed, kind, ordinal)).standard_normal()
    return stage.p50_seconds * math.exp(stage.sigma * float(normal))
