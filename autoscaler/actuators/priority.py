"""Whether a replica can take a balloon's place: by the PriorityClasses that admission would resolve."""

from collections.abc import Mapping
from dataclasses import dataclass

from autoscaler.kube.objects import Object

NEVER = "Never"


@dataclass(frozen=True, slots=True)
class Priority:
    """What admission writes into a pod."""

    class_name: str  # empty: none
    value: int
    preempts: bool


def priority(pod_spec: Object, classes: Mapping[str, Object]) -> Priority | None:
    """The priority that a pod gets. None: its class does not exist, so that it is not admitted."""
    name = pod_spec.get("priorityClassName") or _default(classes)
    if name and name not in classes:
        return None
    of: Object = classes.get(name) or {}
    policy = pod_spec.get("preemptionPolicy") or of.get("preemptionPolicy")
    return Priority(name, int(of.get("value") or 0), policy != NEVER)


def unable(pod_spec: Object, balloon_class: str, classes: Mapping[str, Object] | None) -> str:
    """Why a replica could not preempt a balloon; empty where it can. Without `classes` only the pod itself counts."""
    if classes is None:
        classes = {
            balloon_class: {"value": -5},
            pod_spec.get("priorityClassName") or "": {"preemptionPolicy": pod_spec.get("preemptionPolicy")},
        }
    balloon, replica = priority({"priorityClassName": balloon_class}, classes), priority(pod_spec, classes)
    if balloon is None:
        return (
            f"the PriorityClass {balloon_class} of balloons does not exist, so no balloon can be created: "
            "apply deploy/priorityclass.yaml, or set --priority-class to one that exists"
        )
    if replica is None:
        return (
            f"the PriorityClass {pod_spec.get('priorityClassName')} of the target's pods does not exist, so no balloon is "
            "created: create it, or change priorityClassName in the target's template"
        )
    if not replica.preempts:
        return (
            f"the target's pods have preemptionPolicy Never{_of(replica)}, so they could not take a balloon's place and none is "
            "created: set PreemptLowerPriority, or maxPreparedNodes to 0"
        )
    if replica.value <= balloon.value:
        return (
            f"the target's pods have priority {replica.value}{_of(replica)}, which is not above {balloon.value} of balloons "
            f"(PriorityClass {balloon_class}), so they could not take a balloon's place and none is created: raise their "
            "priority, or set maxPreparedNodes to 0"
        )
    return ""


def _of(replica: Priority) -> str:
    return f" from PriorityClass {replica.class_name}" if replica.class_name else ""


def _default(classes: Mapping[str, Object]) -> str:
    """The class of pods that name none: of several defaults, the lowest."""
    defaults = [(int(each.get("value") or 0), name) for name, each in classes.items() if each.get("globalDefault")]
    return min(defaults)[1] if defaults else ""
