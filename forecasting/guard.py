"""What is asked of a series before any family may be fitted to it, and of a fan before it is shown."""

from forecasting.series import Floats, Series

GREATEST_GAP_SHARE = 0.5
GREATEST_REPLICAS = 1e6
LEAST_DEVIATION = 1e-6  # of demand in replicas


def objection(series: Series) -> str:
    """Why no family is fitted to this series; empty where nothing speaks against it."""
    known = series.values[series.known]
    gaps = 1.0 - len(known) / len(series)
    if gaps > GREATEST_GAP_SHARE:
        return f"too many gaps: {gaps:.0%} of {len(series)} steps are unknown, {GREATEST_GAP_SHARE:.0%} may be"
    if float(known.std()) < LEAST_DEVIATION:
        return f"constant: {known[0]:g} replicas on all {len(known)} known steps"
    return ""


def sound(values: Floats) -> bool:
    """Whether these are quantiles that may be shown: not NaN, not negative, and of this world."""
    return bool(((values >= 0.0) & (values <= GREATEST_REPLICAS)).all())
