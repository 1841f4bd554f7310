"""What Outrider exports of itself."""

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from autoscaler import reference
from autoscaler.telemetry import metrics
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
    age = metrics.DecisionAge()
    clock = FakeClock()
    age.decided("ns/a", clock.now())
    assert _samples(age) == {}
    age.use(clock)
    await clock.advance(3)
    age.decided("ns/b", clock.now())
    await clock.advance(40)
    assert _samples(age) == {"ns/a": 43, "ns/b": 40}
    age.decided("ns/a", clock.now())
    age.remove("ns/b")
    age.remove("ns/unknown")
    assert _samples(age) == {"ns/a": 0}


def _samples(age: metrics.DecisionAge) -> dict[str, float]:
    return {sample.labels["policy"]: sample.value for family in age.collect() for sample in family.samples}


def test_a_policy_that_is_gone_leaves_no_series() -> None:
    metrics.DESIRED_REPLICAS.labels(policy="ns/gone").set(3)
    metrics.BALLOONS.labels(policy="ns/gone", state="prepared").set(1)
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
