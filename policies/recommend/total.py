"""Units to hold in all, serving or prepared, so that the lead from a request on is outlasted."""

from policies.combine import combine
from policies.model import Filters, Inputs, Policy, Reason
from policies.recommend.predictive import forecast_floor, volatility_floor
from policies.recommend.scheduled import scheduled


def total_floor(policy: Policy, filters: Filters, inputs: Inputs, lead_seconds: float) -> Reason | None:
    """The largest floor for the lead from a request; None while there is nothing to go by."""
    floors = combine(
        (
            volatility_floor(policy, filters, lead_seconds),
            forecast_floor(policy, inputs.fan, inputs.now_seconds, lead_seconds),
            scheduled(inputs.windows, inputs.now_seconds, lead_seconds),
        )
    )
    return floors[0] if floors else None
