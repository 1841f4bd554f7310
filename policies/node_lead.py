"""How long the nodes of a pool take: what a standby node saves, and how long a request is waited for.

Both shells take them from the members' cold starts as learned, and the live one from those of each offering.
"""

from policies.ladder import lead_quantile_seconds, lead_seconds
from policies.supply import NORMAL_P95, ColdStart, Rung, Stage

LEAST_PATIENCE_SECONDS, MOST_PATIENCE_SECONDS = 180.0, 900.0
_AT_ONCE = Stage(1e-3, 1e-3)


def node_lead_seconds(cold_start: ColdStart) -> float:
    """What a standby node saves: from the request for a node until a replica can start on it."""
    return max(0.0, lead_seconds(cold_start, Rung.REQUESTED) - lead_seconds(cold_start, Rung.NODE_READY))


def patience_seconds(cold_start: ColdStart) -> float:
    """How long a node that was asked for is waited for: the p95 of the time until it can be used, 3 to 15 min."""
    node = ColdStart(cold_start.node, None, None, _AT_ONCE, cold_start.gpu)
    return min(max(lead_quantile_seconds(node, (), NORMAL_P95), LEAST_PATIENCE_SECONDS), MOST_PATIENCE_SECONDS)
