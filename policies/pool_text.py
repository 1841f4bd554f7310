"""Renders what a pool refuses to a member: which limit it is, and who holds what."""

from collections.abc import Mapping

from policies.pool import Granted, Limit, Refusal

LIMITS: Mapping[Limit, str] = {
    Limit.MEMBER_GPUS: "its member rule in pool {pool} allows {gpus}",
    Limit.MONEY: "pool {pool} would spend more than its limit of {usd} a day",
    Limit.GUARANTEES: "what is left of pool {pool} is guaranteed to others",
    Limit.NO_MEMBER: "no member rule of pool {pool} matches it",
    Limit.NO_POOL: "{its_pool} does not exist or is invalid",
    Limit.SHADOW: "in mode Shadow it is granted what runs",
}


def refusal_sentence(pool: str, granted: Granted) -> str:
    """What was refused to a member and why; empty if nothing was. `pool` is the pool's name."""
    refusal = granted.refusal
    if refusal is None:
        return ""
    replicas, prepared = refusal.refused_replicas, refusal.refused_prepared
    parts = [f"{replicas} of {granted.grant.replicas + replicas}"] if replicas else []
    if prepared:
        parts.append(f"{prepared} of {granted.grant.prepared_nodes + prepared} prepared nodes")
    return f"{' and '.join(parts)} refused: {refusal_clause(pool, refusal, granted.ended_hold_for)}"


def refusal_clause(pool: str, refusal: Refusal, ended_hold_for: str = "") -> str:
    """Why it was refused, as a clause."""
    held = _held(refusal)
    clause = f"{_limit(pool, refusal)}{f'; {held}' if held else ''}"
    return (
        f"{clause}; its hold was ended for {ended_hold_for}, which has a higher priority" if ended_hold_for else clause
    )


def _limit(pool: str, refusal: Refusal) -> str:
    value, left = refusal.limit_value, refusal.limit_value - sum([gpus for _, _, gpus in refusal.holders])
    if refusal.limit is Limit.POOL_GPUS:
        if left > 0:
            return f"pool {pool} has {left:g} of its {_gpus(value)} left, too few for the replica that is next"
        return f"pool {pool} is {'over' if left < 0 else 'at'} its limit of {_gpus(value)}"
    return LIMITS[refusal.limit].format(
        pool=pool, gpus=_gpus(value), usd=f"${value:,.2f}", its_pool=f"pool {pool}" if pool else "its pool"
    )


def _held(refusal: Refusal) -> str:
    """Who holds what: "chat holds 9, code 7 of team search"."""
    found = []
    for at, (name, owner, gpus) in enumerate(refusal.holders):
        team = f" of team {owner}" if owner else ""
        if refusal.limit is Limit.GUARANTEES:
            found.append(f"{gpus} to {name or 'the rest'}{team}")
        else:
            found.append(f"{name or 'others'} {'' if at else 'holds '}{gpus}{team}")
    return ", ".join(found)


def _gpus(count: float) -> str:
    return f"{count:g} GPU{'' if count == 1 else 's'}"
