"""Combines recommendations into one number: the largest, rounded up."""

import math
from collections.abc import Iterable

from policies.model import Reason

SLACK = 1e-6  # replicas; 3.0000001 counts as 3


def whole(replicas: float) -> int:
    """Replicas rounded up to a whole number."""
    return max(0, math.ceil(replicas - SLACK))


def combine(recommendations: Iterable[Reason | None]) -> tuple[Reason, ...]:
    """The recommendations that there are, the largest first; equal ones keep their order."""
    return tuple(sorted((item for item in recommendations if item is not None), key=lambda item: -item.replicas))
