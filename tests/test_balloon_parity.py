"""The same balloons, as Jobs in Kubernetes and as views of the simulated cluster, lead to the same moves."""

from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.actuators import held as live
from autoscaler.kube.ours import BALLOON, SLOT
from crds.notation.timestamps import timestamp
from policies.balloons import Moves, plan_moves
from replay.contenders.outrider import held as simulated
from replay.sim.views import BalloonView, Ended
from tests.support.worlds import START

SLOTS = 5
OWNER = "8e0c4a52"
NOW = START + 900.0


@dataclass(frozen=True)
class Seen:
    """One balloon, whichever way it is looked at."""

    slot: int
    age_seconds: int
    node: bool
    running: bool
    ended: Ended | None


@st.composite
def balloons(draw: st.DrawFn) -> list[Seen]:
    found = []
    for slot in draw(st.lists(st.integers(0, SLOTS - 1), unique=True)):
        ended = draw(st.sampled_from([None, None, *Ended]))
        node = ended is None and draw(st.booleans())
        found.append(Seen(slot, draw(st.integers(0, 800)), node, node and draw(st.booleans()), ended))
    return found


def a_job(seen: Seen) -> dict[str, Any]:
    metadata = {
        "name": f"balloon-{seen.slot}",
        "creationTimestamp": timestamp(NOW - seen.age_seconds),
        "labels": {SLOT: str(seen.slot)},
        "ownerReferences": [{"uid": OWNER, "controller": True}],
    }
    failed_pod = "BackoffLimitExceeded"
    reason = {Ended.DEADLINE: "DeadlineExceeded", Ended.PREEMPTED: failed_pod, Ended.EVICTED: failed_pod}
    failed = {"type": "Failed", "status": "True", "lastTransitionTime": timestamp(NOW)}
    conditions = [] if seen.ended is None else [{**failed, "reason": reason[seen.ended]}]
    return {"metadata": metadata, "status": {"conditions": conditions}}


def a_pod(seen: Seen) -> dict[str, Any]:
    return {
        "metadata": {"labels": {BALLOON: f"balloon-{seen.slot}"}},
        "spec": {"nodeName": "node"} if seen.node else {},
        "status": {"phase": "Running" if seen.running else "Pending"},
    }


def a_view(seen: Seen) -> BalloonView:
    created = NOW - seen.age_seconds
    return BalloonView(
        name=f"balloon-{seen.slot}",
        created_seconds=created,
        deadline_seconds=created + 1800.0,
        node="node" if seen.node else None,
        scheduled_seconds=created if seen.node else None,
        running_seconds=created if seen.running else None,
        ended=seen.ended,
    )


@given(balloons(), st.integers(0, SLOTS + 2), st.integers(0, SLOTS), st.integers(0, SLOTS))
def test_both_shells_make_the_same_moves(found: list[Seen], wanted: int, awaited: int, slots: int) -> None:
    pods = [a_pod(seen) for seen in found if seen.ended is None]
    in_kubernetes = live.read([a_job(seen) for seen in found], pods, OWNER, None)
    in_replay = [simulated(a_view(seen)) for seen in found]

    def moves(held: list[Any]) -> Moves:
        return plan_moves(held, wanted, awaited, slots, slots, NOW)

    assert moves(in_replay) == moves(in_kubernetes)
