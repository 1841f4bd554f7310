"""What to tell an HPA whose tolerance cannot be zero, so that it lands on the decision or as near as it can.

Inside its tolerance the HPA answers with the pods that exist. Down: one thousandth above N - 1 is still rounded up to N, but is
one further from what exists, so it leaves the tolerance sooner; it is exact whenever it acts. Up: nothing but more than the
tolerance is followed, so the smallest step outside is taken where the maximum allows it, else the present count stays.
"""

import math

EPSILON = 0.001  # the smallest step of a metric's value


def landing_value(desired: int, current: int | None, maximum: int, tolerance: float) -> float:
    """The metric's value for `desired` replicas while `current` exist (None: unknown), at target 1."""
    if tolerance == 0.0 or not current or desired in (0, current):
        return float(desired)
    if desired < current:
        return desired - 1 + EPSILON
    outside = math.floor((1.0 + tolerance) * current + 1e-9) + 1
    return float(max(desired, outside)) if outside <= maximum else float(desired)
