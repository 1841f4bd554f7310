"""What Outrider exports of itself."""

import re
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from autoscaler import reference
from autoscaler.telemetry import metrics
from autoscaler.telemetry.collectors import Age, SloPods, bound
from policies.series import QUEUE_TIME_BOUNDS_SECONDS
from tests.support.fake_clock import FakeClock


@pytest.mark.parametrize("name", reference.pages())
def test_reference_pages_are_up_to_date(name: str) -> None:
    page = reference.FOLDER / name
    assert page.read_text() == reference.pages()[name], "run: python -m autoscaler.reference"


def test_every_metric_is_declared_and_exported() -> None:
    exported = {family.name: family for family in metrics.REGISTRY.collect()}
    assert {declared.name.removesuffix("_total") for declared in metrics.DECLARED} == set(exported)
    for declared in metrics.DECLARED:
        assert declared.name.startswith("outrider_")
        assert exported[declared.name.removesuffix("_total")].type == declared.kind


async def test_the_age_of_a_decision_grows_while_none_is_made() -> None:
    age = Age("age", "The age.")
    clock = FakeClock()
    age.happened("ns/a", clock.now())
    assert _samples(age) == {}
    age.use(clock)
    await clock.advance(3)
    age.happened("ns/b", clock.now())
    await clock.advance(40)
    assert _samples(age) == {"ns/a": 43, "ns/b": 40}
    age.happened("ns/a", clock.now())
    age.remove("ns/b")
    age.remove("ns/unknown")
    assert _samples(age) == {"ns/a": 0}


def _samples(age: Age) -> dict[str, float]:
    return {sample.labels["policy"]: sample.value for family in age.collect() for sample in family.samples}


def test_a_policy_that_is_gone_leaves_no_series() -> None:
    metrics.DESIRED_REPLICAS.labels(policy="ns/gone").set(3)
    metrics.BALLOONS.labels(policy="ns/gone", state="prepared").set(1)
    metrics.FAILURES.labels(policy="ns/gone", part="Reporter").inc()
    metrics.SLO_PODS.served("ns/gone", ["pod"], 5.0, 0.0)
    metrics.DESIRED_REPLICAS.labels(policy="ns/stays").set(4)
    metrics.forget("ns/gone")
    metrics.forget("ns/never-was")
    policies = {
        sample.labels.get("policy")
        for family in text_string_to_metric_families(generate_latest(metrics.REGISTRY).decode())
        for sample in family.samples
    }
    assert "ns/stays" in policies
    assert "ns/gone" not in policies
    metrics.forget("ns/stays")


@pytest.mark.parametrize(
    ("queue_wait_seconds", "le"),
    [
        (0.1, "0.3"),
        (0.3, "0.3"),
        (1.0, "1.0"),
        (3.0, "5.0"),
        (5.0, "5.0"),
        (5.1, "10.0"),
        (3600.0, "7680.0"),
        (1e5, "7680.0"),
    ],
)
def test_what_is_above_the_bound_was_late_for_certain(queue_wait_seconds: float, le: str) -> None:
    assert bound(queue_wait_seconds) == le


def test_the_bounds_are_written_as_vllm_writes_them(shared: Path) -> None:
    """A label is a text: le="5" would never match."""
    page = (shared / "reference" / "vllm" / "metrics_busy.txt").read_text()
    written = re.findall(r'vllm:request_queue_time_seconds_bucket\{[^}]*le="([^"+]+)"', page)
    assert [str(each) for each in QUEUE_TIME_BOUNDS_SECONDS] == written


def test_a_pod_is_known_for_an_hour_after_it_served_last() -> None:
    """The alert on the promised attainment looks back that far, also on what pods did that are gone."""
    pods = SloPods("pods", "The pods.")
    pods.served("ns/a", ["a-0", "a-1"], 5.0, 0.0)
    pods.served("ns/b", ["b-0"], 1.0, 0.0)
    pods.served("ns/a", ["a-0"], 10.0, 3600.0)
    assert _pods(pods) == {("ns/a", "ns/a-0", "10.0"), ("ns/a", "ns/a-1", "5.0"), ("ns/b", "ns/b-0", "1.0")}
    pods.served("ns/a", ["a-0"], 10.0, 3615.0)
    assert _pods(pods) == {("ns/a", "ns/a-0", "10.0"), ("ns/b", "ns/b-0", "1.0")}
    pods.remove("ns/a")
    assert _pods(pods) == {("ns/b", "ns/b-0", "1.0")}


def test_a_pod_is_of_one_policy_or_the_join_would_fail() -> None:
    pods = SloPods("pods", "The pods.")
    pods.served("ns/a", ["0"], 5.0, 15.0)
    pods.served("ns/b", ["0"], 1.0, 0.0)
    assert _pods(pods) == {("ns/a", "ns/0", "5.0")}
    pods.served("ns/b", ["0"], 1.0, 30.0)
    assert _pods(pods) == {("ns/b", "ns/0", "1.0")}


def _pods(pods: SloPods) -> set[tuple[str, ...]]:
    return {tuple(sample.labels.values()) for family in pods.collect() for sample in family.samples}
