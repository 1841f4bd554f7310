"""The last word: a policy's minimum and maximum. Each refusal has its reason."""

from policies.model import Policy, Reason, Rule


def bound(policy: Policy, asked: int) -> Reason | None:
    """What the bound leaves of it; None within the bounds."""
    if asked > policy.max_replicas:
        return Reason(Rule.MAXIMUM, float(policy.max_replicas), (("asked", float(asked)),))
    if asked < policy.min_replicas:
        return Reason(Rule.MINIMUM, float(policy.min_replicas), (("asked", float(asked)),))
    return None
