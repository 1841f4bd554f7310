"""The total of units to hold, serving or prepared, to cover the lead time from a request."""

from policies.combine import combine
from policies.model import Filters, Inputs, Policy, Reason
from policies.recommend.predictive import demand_floor
from policies.recommend.scheduled import scheduled


def total_floor(policy: Policy, filters: Filters, inputs: Inputs, lead_seconds: float) -> Reason | None:
    """The largest floor for the lead from a request; None without any."""
    floors = combine(
        (
            demand_floor(policy, filters, inputs.fan, inputs.now_seconds, lead_seconds),
            scheduled(inputs.windows, inputs.now_seconds, lead_seconds),
        )
    )
    return floors[0] if floors else None
