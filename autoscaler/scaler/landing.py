"""The value for an HPA whose tolerance cannot be zero, so that it lands on the decision or as near as possible.

Within its tolerance the HPA keeps the pods that exist. Down: N - 1 plus a thousandth is still rounded up to N, but is nearly one
further from what exists, so it leaves the tolerance sooner, and the HPA lands on N exactly. Up: only a value outside the
tolerance has an effect, so the smallest one is used where the maximum allows it; else the number of pods stays.
"""

import math

EPSILON = 0.001  # the smallest step of a metric's value


def landing_value(desired: int, current: int | None, maximum: int, tolerance: float) -> float:
    """The metric's value at target 1 for `desired` replicas while `current` pods exist (None: unknown)."""
    if tolerance == 0.0 or not current or desired in (0, current):
        return float(desired)
    if desired < current:
        return desired - 1 + EPSILON
    outside = math.floor((1.0 + tolerance) * current + 1e-9) + 1
    return float(max(desired, outside)) if outside <= maximum else float(desired)
