"""Prometheus' rate over pods that come and go, and the load in replicas that an HPA makes of it."""

import pytest

from replay.contenders.hpa_on_metric import PROMETHEUS_SECONDS
from replay.contenders.rates import Rates
from replay.contenders.token_rate import TokenRate, between
from replay.sim.kernel import Engine
from tests.replay.contenders.readings import FakeView, readings

TOKENS = "prompt_tokens_total"
# A full batch of 100 takes 0.01 + 100 * 0.0001 s a step: 5,000 output tokens/s.
ENGINE = Engine(10_000.0, 0.85, 0.01, 0.0001, 100, 500_000)


def rates(scrapes: list[dict[int, float]], window_seconds: float = 60.0) -> list[float | None]:
    """The rate after each scrape of pods by ordinal."""
    found = Rates(window_seconds, TOKENS)
    per_second = [found.scrape(readings({pod: {TOKENS: value} for pod, value in pods.items()})) for pods in scrapes]
    return [None if each is None else float(each[0]) for each in per_second]


def test_a_rate_needs_two_samples_of_a_pod() -> None:
    assert rates([{}, {}, {0: 900.0}, {1: 900.0}, {1: 1050.0}]) == [None, None, None, None, 10.0]


def test_the_window_holds_one_interval_less_than_samples() -> None:
    grown = rates([{0: 0.0}, {0: 150.0}, {0: 150.0}, {0: 150.0}, {0: 150.0}])
    assert grown == pytest.approx([None, 10.0, 5.0, 10 / 3, 0.0])


def test_a_new_pod_counts_from_its_second_scrape() -> None:
    """Its counter is at 300 when it is first seen: that is no growth."""
    assert rates([{0: 0.0}, {0: 150.0, 1: 300.0}, {0: 300.0, 1: 450.0}]) == [None, 10.0, 15.0]


def test_a_pod_that_is_gone_lowers_nothing() -> None:
    assert rates([{0: 500.0, 1: 9000.0}, {0: 650.0, 1: 9150.0}, {0: 800.0}]) == [None, 20.0, 15.0]


def test_the_load_is_prompt_tokens_by_prefill_speed_and_output_tokens_by_decode_speed() -> None:
    """3,000 of 10,000 prompt tokens/s, and 2,500 of 5,000 output tokens/s: 0.3 + 0.5 replicas on each of two pods."""
    view, load = FakeView(), TokenRate(ENGINE)
    for seconds in (0.0, PROMETHEUS_SECONDS):
        tokens = {TOKENS: 3000.0 * seconds, "generation_tokens_total": 2500.0 * seconds}
        view.read = readings({0: tokens, 1: tokens})
        found = load(view)
    assert found == pytest.approx(1.6)


def test_without_pods_there_is_no_load_rather_than_none_of_it() -> None:
    assert TokenRate(ENGINE)(FakeView()) is None


def test_between_two_targets_lies_their_mean() -> None:
    assert between(0.7, 0.8) == 0.75
