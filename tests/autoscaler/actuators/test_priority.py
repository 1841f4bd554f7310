"""Whether a replica could take a balloon's place."""

from typing import Any

import pytest

from autoscaler.actuators.priority import unable

BALLOON = "outrider-balloon"
CLASSES: dict[str, dict[str, Any]] = {
    BALLOON: {"value": -5, "preemptionPolicy": "Never"},
    "high": {"value": 1000, "preemptionPolicy": "PreemptLowerPriority"},
    "low": {"value": -5},
    "lower": {"value": -100},
    "polite": {"value": 1000, "preemptionPolicy": "Never"},
}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({}, ""),
        ({"priorityClassName": "high"}, ""),
        ({"priorityClassName": "low"}, "have priority -5 from PriorityClass low, which is not above -5 of balloons"),
        ({"priorityClassName": "lower"}, "have priority -100 from PriorityClass lower"),
        ({"priorityClassName": BALLOON}, "preemptionPolicy Never from PriorityClass outrider-balloon"),
        ({"priorityClassName": "polite"}, "preemptionPolicy Never from PriorityClass polite"),
        ({"preemptionPolicy": "Never"}, "preemptionPolicy Never, so"),
        ({"priorityClassName": "high", "preemptionPolicy": "Never"}, "preemptionPolicy Never"),
        ({"priorityClassName": "absent"}, "the PriorityClass absent of the target's pods does not exist"),
    ],
)
def test_a_target_that_cannot_preempt_a_balloon(spec: dict[str, Any], said: str) -> None:
    found = unable(spec, BALLOON, CLASSES)
    assert said in found
    assert bool(said) == bool(found)


def test_the_default_class_counts_and_of_several_the_lowest() -> None:
    assert "preemptionPolicy Never from PriorityClass polite" in unable(
        {}, BALLOON, {**CLASSES, "polite": {**CLASSES["polite"], "globalDefault": True}}
    )
    two = {name: {**each, "globalDefault": name in ("high", "lower")} for name, each in CLASSES.items()}
    assert "have priority -100 from PriorityClass lower" in unable({}, BALLOON, two)


def test_a_missing_class_of_balloons_is_named() -> None:
    assert unable({}, "typo", CLASSES).startswith("the PriorityClass typo of balloons does not exist")


@pytest.mark.parametrize(
    ("spec", "can"),
    [
        ({}, True),
        ({"priorityClassName": "any"}, True),
        ({"preemptionPolicy": "Never"}, False),
        ({"priorityClassName": BALLOON}, False),
    ],
)
def test_without_the_classes_the_pod_itself_counts(spec: dict[str, Any], can: bool) -> None:
    assert (unable(spec, BALLOON, None) == "") == can
