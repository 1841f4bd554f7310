"""Which balloons to make and which to let go: pure, from what is there and what is wanted."""

from collections.abc import Iterable
from dataclasses import dataclass

from autoscaler.actuators.manifest import ENDED_SECONDS
from autoscaler.kube.objects import (
    Object,
    condition,
    created_seconds,
    deleting,
    labels,
    metadata,
    node,
    owned_by,
    phase,
    seconds,
)
from autoscaler.kube.ours import BALLOON, SHAPE, SLOT, running_balloons
from policies.model import Plan, Rule, Supply


@dataclass(frozen=True, slots=True)
class Balloon:
    """One Job of ours, as it is seen."""

    job: Object
    slot: int | None  # None: no label of ours tells
    created_seconds: float
    placed: bool  # its pod has a node
    prepared: bool  # and runs there: the node holds the GPU and has the image
    ended_seconds: float | None  # by its deadline, a replica's preemption, a lost node, or a failed container
    broken: bool  # its container failed: making it again at once would only churn nodes
    outdated: bool  # made for another policy of that name, or from another template
    leaving: bool  # its deletion has begun


@dataclass(frozen=True, slots=True)
class Moves:
    """What to do, deletions first."""

    delete: tuple[Balloon, ...] = ()
    create_slots: tuple[int, ...] = ()
    refused: int = 0  # balloons that the cluster-wide cap leaves out

    def __bool__(self) -> bool:
        return bool(self.delete or self.create_slots)


def balloons(jobs: Iterable[Object], pods: Iterable[Object], owner_uid: str, shape: str | None) -> list[Balloon]:
    """Read a policy's Jobs and their pods. Without a shape none is outdated by its template."""
    pods = list(pods)
    running = running_balloons(pods)
    placed = {labels(pod).get(BALLOON) for pod in pods if node(pod) and not deleting(pod)}
    # A preempted pod is deleted; one whose container failed stays.
    failed = {labels(pod).get(BALLOON) for pod in pods if phase(pod) == "Failed" and not deleting(pod)}
    return [_balloon(job, placed, running, failed, owner_uid, shape) for job in jobs]


def _balloon(
    job: Object,
    placed: set[str | None],
    running: frozenset[str],
    failed: set[str | None],
    owner_uid: str,
    shape: str | None,
) -> Balloon:
    about = metadata(job)
    made_of = (about.get("annotations") or {}).get(SHAPE)
    slot = labels(job).get(SLOT, "")
    ended = condition(job, "Failed") or condition(job, "Complete")
    return Balloon(
        job=job,
        slot=int(slot) if slot.isdecimal() else None,
        created_seconds=created_seconds(job) or 0.0,
        placed=about.get("name") in placed,
        prepared=about.get("name") in running,
        ended_seconds=None if ended is None else seconds(ended.get("lastTransitionTime")) or 0.0,
        broken=ended is not None and about.get("name") in failed,
        outdated=not owned_by(job, owner_uid) or (shape is not None and made_of != shape),
        leaving=deleting(job),
    )


def count_awaited(plan: Plan, supply: Supply | None) -> int:
    """How many of the plan's prepared nodes are for no more than replicas that are decided and have no node yet."""
    lasting = [word.replicas for word in plan.prepared_reasons if word.rule in (Rule.PREPARED, Rule.PREPARED_HOLD)]
    if supply is None or not lasting:
        return 0
    return max(0, min(plan.prepared_nodes - int(max(lasting)), plan.desired_replicas - supply.placed))


def arrange(held: list[Balloon], wanted: int, awaited: int, slots: int, room: int | None, now_seconds: float) -> Moves:
    """Bring `held` to `wanted` balloons in the slots 0 .. slots-1, growing to `room` of them at most.

    Without a room none can be made, for a reason other than the cluster-wide cap.
    Lets go first of what has no node, then of what prepares, then of the newest. A broken one keeps its slot for a minute.

    `awaited` of them are for replicas that are decided and have no node. A balloon without a node holds no place for one:
    beside it, it would bring a second node, while without it the replica gets the one that is on its way.
    """
    staying = [each for each in held if not each.leaving]
    alive = [each for each in staying if each.ended_seconds is None and not each.outdated and each.slot is not None]
    without_place = max(0, awaited - sum(each.placed for each in alive))
    wanted = max(0, min(wanted - without_place, slots))
    resting = [each for each in staying if wanted > 0 and _rests(each, now_seconds)]
    alive.sort(key=lambda each: (not each.placed, not each.prepared, each.created_seconds, each.slot))
    kept = alive[:wanted]
    delete = tuple(each for each in staying if each not in kept and each not in resting)
    taken = {each.slot for each in held if each.leaving or each in kept or each in resting}
    free = [slot for slot in range(slots) if slot not in taken]
    lacking = min(max(0, wanted - len(kept) - len(resting)), len(free)) if room is not None else 0
    made = min(lacking, max(0, (room or 0) - len(kept)))
    return Moves(delete, tuple(free[:made]), lacking - made)


def _rests(balloon: Balloon, now_seconds: float) -> bool:
    ended_seconds = balloon.ended_seconds
    return balloon.broken and not balloon.outdated and now_seconds - (ended_seconds or 0.0) < ENDED_SECONDS
