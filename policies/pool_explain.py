"""Renders a pool's plan from its record: what the members have, why so many nodes stand by, and what was refused to whom."""

from collections.abc import Mapping

from policies.explain import duration
from policies.pool import Claim, Pool, PoolPlan, PoolReason, Step
from policies.pool_text import refusal_sentence
from policies.standby import StandbyRule

PHRASES: Mapping[str, str] = {
    StandbyRule.SHARED: "demand of all members together, {level_gpus:.1f} GPUs, may need {needed_gpus:g} before a new node is up"
    " ({lead}), and they hold {held_gpus:g}",
    StandbyRule.HOLD: "{nodes:g} were needed less than {hold} ago, and standby nodes are held that long",
    StandbyRule.UNKNOWN: "{unknown} not known, so no standby node is let go",
    StandbyRule.LEAVING: "so many nodes of members were given notice",
    StandbyRule.HANDOVER: "{awaited:g} of them await replicas that have no node yet",
    StandbyRule.MINIMUM: "standby.minNodes is {nodes:g}",
    StandbyRule.MAXIMUM: "standby.maxNodes is {nodes:g}",
    StandbyRule.POOL_LIMIT: "the limit of {limit_gpus:g} GPUs leaves room for {nodes:g}",
    StandbyRule.MONEY: "the limit of ${limit_usd:,.2f} a day leaves room for {nodes:g}",
    StandbyRule.BETWEEN_TICKS: "no standby node is let go between two decision ticks",
}

STEPS: Mapping[Step, str] = {
    Step.FIRST: "Holds {nodes} from {offering}, the first offering that is open and does not rest",
    Step.HEDGE: "Holds {nodes} from {offering} as well, since an earlier offering is late",
    Step.MORE: "Holds {nodes} from {offering} as well, where the first node has come",
    Step.RESTING: "Asks {offering} for no new node while it rests, since it lately had none",
    Step.CLOSED: "Asks {offering} for none outside its validity windows",
    Step.FULL: "Asks {offering} for no more, since its maxNodes or the limit of the pool leaves no room for one",
}


def explain_pool(pool: Pool, plan: PoolPlan) -> tuple[str, ...]:
    """A pool's plan in sentences: GPUs, money, standby, the offerings, and each member to which something was refused."""
    found = [_gpus(pool, plan), _standby(plan) if pool.standby.max_nodes or plan.standby_nodes else ""]
    found += [claim_sentence(each) for each in plan.claims]
    for each in plan.grants:
        if sentence := refusal_sentence(pool.name, each):
            found.append(f"{each.workload}: {sentence}.")
    return tuple([sentence for sentence in found if sentence])


def pool_phrase(reason: PoolReason) -> str:
    """One reason for a number of standby nodes as a clause."""
    numbers = dict(reason.numbers)
    if reason.rule == StandbyRule.SHARED and not numbers:
        return "the pool has no members that could use one"
    spans = {
        name.removesuffix("_seconds"): duration(value) for name, value in numbers.items() if name.endswith("_seconds")
    }
    values = {**spans, **numbers, "nodes": reason.nodes, "unknown": _unknown(numbers)}
    return PHRASES[reason.rule].format(**values)


def _gpus(pool: Pool, plan: PoolPlan) -> str:
    of = "" if pool.limits.gpus is None else f" of {pool.limits.gpus}"
    owner = f" of {pool.owner}" if pool.owner else ""
    contact = f" (contact: {pool.contact})" if pool.contact else ""
    one_granted, one_held = (pool.limits.gpus or plan.granted_gpus) == 1, plan.held_gpus == 1
    text = (
        f"Pool {pool.name}{owner}{contact} grants {plan.granted_gpus}{of} GPU{'' if one_granted else 's'}; "
        f"{plan.held_gpus} {'is' if one_held else 'are'} held"
    )
    if plan.projected_usd is not None:
        limit = "" if pool.limits.usd_per_day is None else f", of a limit of ${pool.limits.usd_per_day:,.2f}"
        text += f"; the day comes to ${plan.projected_usd:,.2f} if that stays{limit}"
    return f"{text}."


def _standby(plan: PoolPlan) -> str:
    """How many nodes stand by, the rule that decided it, and the next one that gives another number."""
    if not plan.reasons or (not plan.standby_nodes and not any(each.nodes for each in plan.reasons)):
        return ""
    first, *others = plan.reasons
    nodes = f"{plan.standby_nodes} node{'' if plan.standby_nodes == 1 else 's'}"
    other = next((each for each in others if each.nodes != first.nodes), None)
    beside = f" (otherwise {other.nodes:g}: {pool_phrase(other)})" if other is not None else ""
    return f"Holds {nodes} in standby: {pool_phrase(first)}{beside}."


def claim_sentence(claim: Claim) -> str:
    """What is held from an offering, or why nothing is; empty where nothing is to be said."""
    if not claim.nodes and claim.step in (Step.FIRST, Step.HEDGE, Step.MORE):
        return ""
    nodes = f"{claim.nodes} node{'' if claim.nodes == 1 else 's'}"
    return f"{STEPS[claim.step].format(offering=claim.offering, nodes=nodes)}."


def _unknown(numbers: Mapping[str, float]) -> str:
    """What is not known: the demand of so many members, or which nodes stand by."""
    found = []
    if members := round(numbers.get("levels", 0.0)):
        found.append(f"the demand of {members} member{'' if members == 1 else 's'}")
    if numbers.get("standby"):
        found.append("which nodes stand by")
    verb = "are" if len(found) > 1 else "is"
    return f"{' and '.join(found) or 'something'} {verb}"
