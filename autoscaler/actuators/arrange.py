"""Which balloons to make and which to let go: pure, from what is there and what is wanted."""

from dataclasses import dataclass
from enum import StrEnum

from autoscaler.actuators.manifest import ENDED_SECONDS
from autoscaler.kube.objects import Object, condition, created_seconds, deleting, labels, metadata, owned_by, seconds
from autoscaler.kube.ours import SHAPE, SLOT


class End(StrEnum):
    """How a balloon ended."""

    EXPIRED = "Expired"  # its deadline passed
    PREEMPTED = "Preempted"  # a replica took its place, or its node went
    BROKEN = "Broken"  # its container could not run: repeating it at once would only churn nodes


@dataclass(frozen=True, slots=True)
class Balloon:
    """One Job of ours, as it is seen."""

    job: Object
    slot: int | None  # None: not made by this version
    created_seconds: float
    prepared: bool  # its pod runs: the node holds the GPU and has the image
    end: End | None
    ended_seconds: float | None
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


def seen(job: Object, running: frozenset[str], owner_uid: str, shape: str | None) -> Balloon:
    """Read a Job. `running` names the Jobs whose pod runs; without a shape none is outdated by its template."""
    about = metadata(job)
    made_of = (about.get("annotations") or {}).get(SHAPE)
    failed = condition(job, "Failed")
    ended = failed or condition(job, "Complete")
    slot = labels(job).get(SLOT, "")
    return Balloon(
        job=job,
        slot=int(slot) if slot.isdecimal() else None,
        created_seconds=created_seconds(job) or 0.0,
        prepared=about.get("name") in running,
        end=_end(failed) if ended else None,
        ended_seconds=seconds(ended.get("lastTransitionTime")) if ended else None,
        outdated=not owned_by(job, owner_uid) or (shape is not None and made_of != shape),
        leaving=deleting(job),
    )


def _end(failed: Object | None) -> End:
    reason = (failed or {}).get("reason", "")
    if not failed or reason == "DeadlineExceeded":
        return End.EXPIRED
    return End.PREEMPTED if reason == "PodFailurePolicy" else End.BROKEN


def arrange(held: list[Balloon], wanted: int, slots: int, room: int, now_seconds: float) -> Moves:
    """Bring `held` to `wanted` balloons in the slots 0 .. slots-1, growing to `room` of them at most.

    Lets go first of what prepares, then of the newest. A broken one keeps its slot for a minute.
    """
    wanted = min(wanted, slots)
    staying = [each for each in held if not each.leaving]
    resting = [each for each in staying if wanted > 0 and _rests(each, now_seconds)]
    alive = [each for each in staying if each.end is None and not each.outdated and each.slot is not None]
    alive.sort(key=lambda each: (not each.prepared, each.created_seconds, each.slot))
    kept = alive[:wanted]
    delete = tuple(each for each in staying if each not in kept and each not in resting)
    taken = {each.slot for each in held if each.leaving or each in kept or each in resting}
    free = [slot for slot in range(slots) if slot not in taken]
    lacking = min(max(0, wanted - len(kept) - len(resting)), len(free))
    made = min(lacking, max(0, room - len(kept)))
    return Moves(delete, tuple(free[:made]), lacking - made)


def _rests(balloon: Balloon, now_seconds: float) -> bool:
    if balloon.end is not End.BROKEN or balloon.outdated or balloon.ended_seconds is None:
        return False
    return now_seconds - balloon.ended_seconds < ENDED_SECONDS
