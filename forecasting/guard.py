"""Checks of a series before any family is fitted to it, and of quantiles before they are used."""

from forecasting.series import Floats, Series

GREATEST_GAP_SHARE = 0.5
GREATEST_REPLICAS = 1e6
LEAST_DEVIATION = 1e-6  # of demand in replicas


def objection(series: Series) -> str:
    """Why no family may be fitted to this series of demand in replicas; empty where one may."""
    known = series.values[series.known]
    gaps = 1.0 - len(known) / len(series)
    if gaps > GREATEST_GAP_SHARE:
        return f"too many gaps: {gaps:.0%} of {len(series)} steps are unknown; at most {GREATEST_GAP_SHARE:.0%} may be"
    if float(known.std()) < LEAST_DEVIATION:
        return f"constant: {known[0]:g} replicas in each of the {len(known)} known steps"
    return ""


def sound(values: Floats) -> bool:
    """Whether these quantiles in replicas may be used: none is NaN, negative or absurdly large."""
    return bool(((values >= 0.0) & (values <= GREATEST_REPLICAS)).all())
