"""Renders what a pool refuses to a member: which limit it is, and who holds what."""

from policies.pool import Granted, Limit, Refusal


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
    held, value = sum([gpus for _, _, gpus in refusal.holders]), refusal.limit_value
    match refusal.limit:
        case Limit.POOL_GPUS if held < value:
            return f"pool {pool} has {value - held:g} of its {_gpus(value)} left, too few for the replica that is next"
        case Limit.POOL_GPUS:
            return f"pool {pool} is {'over' if held > value else 'at'} its limit of {_gpus(value)}"
        case Limit.MEMBER_GPUS:
            return f"its member rule in pool {pool} allows {_gpus(value)}"
        case Limit.MONEY:
            return f"pool {pool} would spend more than its limit of ${value:,.2f} a day"
        case Limit.GUARANTEES:
            return f"what is left of pool {pool} is guaranteed to others"
        case Limit.NO_MEMBER:
            return f"no member rule of pool {pool} matches it"
        case Limit.NO_POOL:
            return f"{f'pool {pool}' if pool else 'its pool'} does not exist or is invalid"
        case Limit.SHADOW:
            return "in mode Shadow it is granted what runs"


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
