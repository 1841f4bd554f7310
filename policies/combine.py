"""Many recommendations, one number: the largest, rounded up."""

import math
from collections.abc import Iterable

from policies.model import Reason

SLACK = 1e-6  # replicas; 3.0000001 is 3


def whole(replicas: float) -> int:
    """The smallest whole number of replicas that is enough."""
    return max(0, math.ceil(replicas - SLACK))


def combine(recommendations: Iterable[Reason | None]) -> tuple[Reason, ...]:
    """All that spoke, the one that asks for most first. The first of two that ask alike stays ahead."""
    return tuple(sorted((item for item in recommendations if item is not None), key=lambda item: -item.replicas))
