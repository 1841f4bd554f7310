"""How long a stage that is under way still takes, given that it has not ended yet."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from policies.supply import ColdStart, Stage, StageName

LEAST_SECONDS = 0.5  # what is shorter is within the clocks' resolution of 1 s
LEAST_SIGMA = 0.03
FAR = 30.0  # standard deviations from which the survival function is taken as its first term


def residual(cold_start: ColdStart, elapsed_seconds: Mapping[StageName, float]) -> ColdStart:
    """The cold start of a unit whose stages have been under way for so long: what is left of each.

    Image and weights wait for their turn where they are not fetched ahead: name only those that are really under way.
    """
    left: dict[str, Any] = {}
    for name, seconds in elapsed_seconds.items():
        stage: Stage | None = getattr(cold_start, name)
        if stage is not None:
            left[name] = rest(stage, seconds)
    return replace(cold_start, **left)


def rest(stage: Stage, elapsed_seconds: float) -> Stage:
    """The p50 and the p95 of what is left of a stage. One that is late is expected to take longer still."""
    if elapsed_seconds < LEAST_SECONDS:
        return stage
    sigma = max(stage.sigma, LEAST_SIGMA)
    start = math.log(elapsed_seconds / stage.p50_seconds) / sigma
    return Stage(
        *[max(LEAST_SECONDS, elapsed_seconds * math.expm1(sigma * _further(start, share))) for share in (0.5, 0.05)]
    )


def _further(start: float, share: float) -> float:
    """How far above `start` a standard normal is with probability `share`, given that it is above `start`."""
    low, high = 0.0, 2.0 + max(0.0, -start)
    sought = _log_survival(start) + math.log(share)
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _log_survival(start + middle) > sought else (low, middle)
    return (low + high) / 2


def _log_survival(z: float) -> float:
    if z > FAR:
        return -z * z / 2 - math.log(z * math.sqrt(2 * math.pi))
    return math.log(math.erfc(z / math.sqrt(2)) / 2)
