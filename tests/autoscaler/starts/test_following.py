from collections.abc import Mapping
from typing import Any

from autoscaler.kube import trim
from autoscaler.starts.pods import seen
from policies.following import Following
from tests.autoscaler.starts.recorded import T0, pod


def look(following: Following, seconds: float, *pods: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """Who has ended by then, and whether it serves."""
    ended = following.look([seen(trim.pod(each), "vllm") for each in pods], T0 + seconds)
    return [(each.name, each.ready_seconds is not None) for each in ended]


def test_a_start_ends_once_when_its_pod_is_ready() -> None:
    following = Following()
    assert look(following, 0.0) == []
    assert look(following, 15.0, pod(created=1.0)) == []
    assert look(following, 30.0, pod(created=1.0, scheduled=20.0)) == []
    assert look(following, 45.0, pod(created=1.0, scheduled=20.0, ready=40.0)) == [("chat-0", True)]
    assert look(following, 60.0, pod(created=1.0, scheduled=20.0)) == []  # it is no new start
    assert look(following, 75.0, pod(created=1.0, scheduled=20.0, ready=70.0)) == []


def test_a_start_that_fits_between_two_looks() -> None:
    following = Following()
    look(following, 0.0)
    assert look(following, 15.0, pod(created=1.0, ready=9.0)) == [("chat-0", True)]


def test_pods_of_before_the_first_look_are_not_followed() -> None:
    following = Following()
    look(following, 100.0, pod(created=1.0))
    assert look(following, 115.0, pod(created=1.0, ready=110.0)) == []


def test_a_pod_that_goes_before_it_serves_ends_in_the_form_of_before() -> None:
    following = Following()
    look(following, 0.0)
    look(following, 15.0, pod("a", created=1.0), pod("b", created=1.0))
    deleting = pod("a", created=1.0, deletionTimestamp="2023-11-14T22:13:50Z")
    assert look(following, 30.0, deleting) == [("a", False), ("b", False)]
    assert look(following, 45.0, deleting) == []


def test_a_pod_whose_time_is_not_ours_is_not_followed() -> None:
    following = Following()
    look(following, 0.0)
    pods = pod("past", created=-3600.0), pod("future", created=3600.0)
    assert look(following, 15.0, *pods) == []
    assert look(following, 30.0) == []
