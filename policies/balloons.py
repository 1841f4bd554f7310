"""Which balloons to create and which to delete, from what exists and what is wanted. Both shells call it."""

from collections.abc import Sequence
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


@dataclass(frozen=True, slots=True)
class Moves:
    """What to do, deletions first. `delete` holds indices into `held`."""

    delete: tuple[int, ...] = ()
    create_slots: tuple[int, ...] = ()
    refused: int = 0  # balloons that the cluster-wide cap does not allow

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


def plan_moves(
    held: Sequence[Held], wanted: int, awaited: int, slots: int, room: int | None, now_seconds: float
) -> Moves:
    """Bring `held` to `wanted` balloons in the slots 0 .. slots-1, but grow to no more than `room`.

    `room` None: none can be created, for a reason other than the cluster-wide cap.
    Balloons without a node are deleted first, then those that are not prepared yet, then the newest. A broken one keeps its
    slot for a minute.

    `awaited` of them are for replicas that are decided but have no node. A balloon that has no node either is no use to such a
    replica: both would bring a node each, while without the balloon the replica gets the node that is on its way.
    """
    staying = [each for each in held if not each.leaving]
    alive = [each for each in staying if each.ended_seconds is None and not each.outdated and each.slot is not None]
    without_place = max(0, awaited - sum(each.placed for each in alive))
    wanted = max(0, min(wanted - without_place, slots))
    resting = [each for each in staying if wanted > 0 and _rests(each, now_seconds)]
    alive.sort(key=lambda each: (not each.placed, not each.prepared, each.created_seconds, each.slot))
    kept = alive[:wanted]
    stay = {id(each) for each in (*kept, *resting)}
    delete = tuple(at for at, each in enumerate(held) if not each.leaving and id(each) not in stay)
    taken = {each.slot for each in held if each.leaving or id(each) in stay}
    free = [slot for slot in range(slots) if slot not in taken]
    lacking = min(max(0, wanted - len(kept) - len(resting)), len(free)) if room is not None else 0
    made = min(lacking, max(0, (room or 0) - len(kept)))
    return Moves(delete, tuple(free[:made]), lacking - made)


def _rests(balloon: Held, now_seconds: float) -> bool:
    return (
        balloon.broken and not balloon.outdated and now_seconds - (balloon.ended_seconds or 0.0) < BROKEN_REST_SECONDS
    )
