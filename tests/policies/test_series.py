"""What identifies a series, and which pods are a target's."""

import re

import pytest

from policies.series import FINISHED, RUNNING, counted_once, identity, pods_pattern, scrape_interval_seconds

OWN = {"pod": "chat-0", "engine": "0", "model_name": "m", "finished_reason": "stop"}


@pytest.mark.parametrize(
    "scrape",
    [
        {},
        {"job": "vllm", "instance": "10.0.0.1:8000"},
        {"job": "podmonitor/llm/vllm", "instance": "10.0.0.1:8000", "container": "vllm", "endpoint": "http"},
        {"prometheus_replica": "prometheus-k8s-1", "node": "a", "version": "2"},
    ],
)
def test_what_a_scrape_adds_is_no_part_of_it(scrape: dict[str, str]) -> None:
    assert identity({"__name__": FINISHED, **OWN, **scrape}) == (FINISHED, "chat-0", ("0", "m", "stop"))


@pytest.mark.parametrize("label", ["pod", "engine", "model_name", "finished_reason"])
def test_what_the_engine_says_is(label: str) -> None:
    assert identity({"__name__": FINISHED, **OWN, label: "x"}) != identity({"__name__": FINISHED, **OWN})


def test_of_a_family_only_its_own_labels_count() -> None:
    assert identity({"__name__": RUNNING, **OWN}) == (RUNNING, "chat-0", ("0", "m"))
    assert counted_once(RUNNING, "x") == "max by (pod, engine, model_name) (x)"
    assert counted_once(FINISHED, "x") == "max by (pod, engine, model_name, finished_reason) (x)"


def test_without_a_pod_its_address_stands_for_it_and_without_both_there_is_none() -> None:
    assert identity({"__name__": RUNNING, "instance": "10.0.0.1:8000"}) == (RUNNING, "10.0.0.1:8000", ("", ""))
    assert identity({"__name__": RUNNING, "engine": "0"}) is None
    assert identity({"pod": "chat-0"}) is None


def test_the_interval_of_scrapes_is_at_most_what_they_are_counted_in() -> None:
    assert scrape_interval_seconds([0.0, 20.0, 20.0, 20.0, 20.0]) == 30.0
    assert scrape_interval_seconds([1.0]) == 600.0
    assert scrape_interval_seconds([0.0, 0.001]) is None


HASHED, OWNED, NUMBERED = "chat-vllm-6c9df5f764-x7k2p", "chat-vllm-x7k2p", "chat-vllm-12"
OTHERS = (
    "chat-vllm",
    "chat-vllm-decode-0",
    "chat-vllm-decode-6c9df5f764-x7k2p",
    "chat-vllm-70b-6c9df5f764-x7k2p",
    "chat-vllm-70b-0",
    "my-chat-vllm-0",
    "chat-vllm-prefill-x7k2p",
    "chat-vllm-0-1",
    "chatxvllm-0",
)


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        ("Deployment", [HASHED]),
        ("Rollout", [HASHED]),
        ("ReplicaSet", [OWNED]),
        ("StatefulSet", [NUMBERED]),
        ("LeaderWorkerSet", [NUMBERED]),
        ("InferenceService", [HASHED, OWNED, NUMBERED]),
    ],
)
def test_pods_by_the_kind_of_their_target(kind: str, own: list[str]) -> None:
    pattern = re.compile(pods_pattern(kind, "chat-vllm"))
    assert [pod for pod in (HASHED, OWNED, NUMBERED, *OTHERS) if pattern.fullmatch(pod)] == own


def test_a_dot_in_a_name_is_a_dot() -> None:
    assert re.fullmatch(pods_pattern("StatefulSet", "qwen2.5"), "qwen2.5-0")
    assert not re.fullmatch(pods_pattern("StatefulSet", "qwen2.5"), "qwen2x5-0")


@pytest.mark.parametrize("length", range(40, 63))
def test_a_name_that_is_too_long_loses_its_end_as_in_kubernetes(length: int) -> None:
    """A generated name is cut to 58 characters before its ID."""
    name = "n" * length
    for hashed in ("6c9df5f764", "86d9b4c7f"):
        pod = f"{name}-{hashed}-"[:58] + "x7k2p"
        assert re.fullmatch(pods_pattern("Deployment", name), pod), pod
    assert re.fullmatch(pods_pattern("ReplicaSet", name), f"{name}-"[:58] + "x7k2p")
