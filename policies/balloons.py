"""Which balloons to create and which to delete, from what exists and what is wanted. Both shells call it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from policies.model import Plan, Rule
from policies.supply import Supply

BROKEN_REST_SECONDS = (
    60.0  # a balloon whose container failed keeps its slot this long: recreated at once, it would churn nodes
)


@dataclass(frozen=True, slots=True)
class Held:
    """One balloon as observed."""

    slot: int | None  # None: its name has no slot number
    created_seconds: float
    placed: bool  # its pod has a node
    prepared: bool  # it also runs there: the node has the GPU and the image
    ended_seconds: float | None = None  # at its deadline, by preemption, a lost node or a failed container
    broken: bool = False  # it ended because its container failed
    outdated: bool = False  # created for an earlier policy of the same name, or from another template
    leaving: bool = False  # its deletion has begun
    stuck: bool = False  # it has no pod that a node could be found for, and gets none: let go at once


@dataclass(frozen=True, slots=True)
class Moves:
    """What to do, deletions first. `delete` holds indices into `held`."""

    delete: tuple[int, ...] = ()
    create_slots: tuple[int, ...] = ()
    refused: int = 0  # balloons that a cap does not allow

    def __bool__(self) -> bool:
        return bool(self.delete or self.create_slots)


def count_awaited(plan: Plan, supply: Supply | None) -> int:
    """How many of the plan's prepared nodes are only for replicas that are decided but have no node yet."""
    lasting = [
        reason.replicas for reason in plan.prepared_reasons if reason.rule in (Rule.PREPARED, Rule.PREPARED_HOLD)
    ]
    if supply is None or not lasting:
        return 0
    return max(0, min(plan.prepared_nodes - int(max(lasting)), plan.desired_replicas - supply.placed))


def count_wanted(plan: Plan, supply: Supply | None) -> int:
    """The plan's prepared nodes, less those that it kept only for replicas that have got a node since.

    Between two plans replicas take the places of balloons: to make these anew would bring nodes that no plan wants.
    """
    reasons = plan.prepared_reasons
    kept = next((at for at, reason in enumerate(reasons) if reason.rule is Rule.HANDOVER), None)
    if supply is None or kept is None:
        return plan.prepared_nodes
    lasting = int(reasons[kept + 1].replicas)  # the count without the hand-over
    return min(plan.prepared_nodes, max(lasting, plan.desired_replicas - supply.placed))


def plan_moves(
    held: Sequence[Held],
    wanted: int,
    awaited: int,
    slots: int,
    room: int | None,
    now_seconds: float,
    *,
    refused_replicas: int = 0,
) -> Moves:
    """Bring `held` to `wanted` balloons in the slots 0 .. slots-1, but grow to no more than `room`.

    `room` None: none can be created, for a reason other than a cap.
    Balloons without a node are deleted first, then those that are not prepared yet, then the newest. A broken one keeps its
    slot for a minute.

    `awaited` of them are for replicas that are decided but have no node. A balloon that has no node either is no use to such a
    replica: both would bring a node each, while without the balloon the replica gets the node that is on its way.

    `refused_replicas` are decided and the API server does not let them be created. So many balloons make way for them, those
    first whose place is of most use to a replica, since preemption comes too late for a quota.
    """
    staying = [each for each in held if not each.leaving]
    alive = [each for each in staying if _lives(each)]
    without_place = max(0, awaited - sum(each.placed for each in alive))
    wanted = max(0, min(wanted - without_place, slots))
    resting = [each for each in staying if wanted > 0 and _rests(each, now_seconds)]
    alive.sort(key=lambda each: (not each.placed, not each.prepared, each.created_seconds, each.slot))
    kept = alive[refused_replicas:][:wanted]
    stay = {id(each) for each in (*kept, *resting)}
    delete = tuple(at for at, each in enumerate(held) if not each.leaving and id(each) not in stay)
    taken = {each.slot for each in held if each.leaving or id(each) in stay}
    free = [slot for slot in range(slots) if slot not in taken]
    lacking = min(max(0, wanted - len(kept) - len(resting)), len(free)) if room is not None else 0
    made = min(lacking, max(0, (room or 0) - len(kept)))
    return Moves(delete, tuple(free[:made]), lacking - made)


def _lives(balloon: Held) -> bool:
    there = balloon.ended_seconds is None and balloon.slot is not None
    return there and not balloon.outdated and not balloon.stuck


def _rests(balloon: Held, now_seconds: float) -> bool:
    return (
        balloon.broken and not balloon.outdated and now_seconds - (balloon.ended_seconds or 0.0) < BROKEN_REST_SECONDS
    )


@dataclass(frozen=True, slots=True)
class Claim:
    """How many balloons one policy wants, within its own maximum, and how many it holds."""

    wanted: int
    held: int


def fair_share(
    claims: Mapping[str, Mapping[str, Claim]], namespace: str, name: str, cap: int, cap_per_namespace: int
) -> int:
    """How many balloons a policy may hold among all claims: first fair among namespaces, then among the policies of its own.

    Max-min: none gets less than another that wants as much, but for what cannot be divided, which stays where it is held.
    """
    whole = {
        space: Claim(
            min(cap_per_namespace, sum([each.wanted for each in of.values()])), sum([each.held for each in of.values()])
        )
        for space, of in claims.items()
    }
    return _max_min(claims[namespace], _max_min(whole, cap)[namespace])[name]


def _max_min(claims: Mapping[str, Claim], total: int) -> dict[str, int]:
    level = 0  # what everyone gets who wants that much
    most = max((each.wanted for each in claims.values()), default=0)
    while level < most and sum(min(each.wanted, level + 1) for each in claims.values()) <= total:
        level += 1
    given = {key: min(each.wanted, level) for key, each in claims.items()}
    more = sorted(
        (key for key in claims if claims[key].wanted > level), key=lambda key: (claims[key].held <= level, key)
    )
    for key in more[: total - sum(given.values())]:
        given[key] += 1
    return given
