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
    SLOWNESS = 6
    STOCK = 7
    LIFE = 8


APART = 1_000_003


def seed_of(seed: int, index: int) -> int:
    """The seed of one of several workloads or offerings; of the first it is the scenario's own."""
    return seed + APART * index


def draw_seconds(stage: Stage | None, kind: StageKind, ordinal: int, seed: int) -> float:
    """A log-normal time with the stage's two quantiles, the same for the same node or pod of any run. None takes no time."""
    return 0.0 if stage is None else stage.p50_seconds * math.exp(stage.sigma * _normal(kind, ordinal, seed))


def draw_slowness(sigma: float, ordinal: int, seed: int) -> float:
    """By how much a node is slower than others: log-normal with a median of 1."""
    return math.exp(sigma * _normal(StageKind.SLOWNESS, ordinal, seed)) if sigma else 1.0


def draw_life_seconds(mean_seconds: float, ordinal: int, seed: int) -> float:
    """How long the cloud leaves a spot node: exponential."""
    return float(np.random.default_rng((seed, StageKind.LIFE, ordinal)).exponential(mean_seconds))


def _normal(kind: StageKind, ordinal: int, seed: int) -> float:
    return float(np.random.default_rng((seed, kind, ordinal)).standard_normal())
