"""llm-d's SLO law: its formula, and the signal that it is fed."""

import numpy as np
import pytest

from replay.contenders.llmd_slo import UP, Saturation, between, desired, quantile, token_seconds
from replay.sim.kernel import Engine
from tests.replay.contenders.readings import FakeView, passed, readings

FULL = Engine(20_000.0, 0.85, 0.012, 0.00015, 256, 420_000)


@pytest.mark.parametrize(
    ("saturation", "replicas", "ready", "wanted"),
    [
        (0.56, 4, 4, 5),  # 4 + ceil(4 * 0.018)
        (1.10, 4, 4, 8),  # twice the threshold: twice the replicas
        (1.10, 8, 4, 8),  # half of them still start, and will halve it
        (2.00, 8, 4, 15),  # 8 + ceil(8 * (2 * 0.5 / 0.55 - 1))
        (0.80, 8, 4, 6),  # the credit turns an increase into a decrease, as it does in the original
        (0.80, 3, 0, 5),  # no credit where nothing is ready
        (0.55, 4, 4, 4),  # the band
        (0.40, 4, 4, 4),
        (0.30, 8, 8, 6),  # 8 - floor(8 * 0.25)
        (0.30, 8, 2, 6),  # no credit downwards
        (0.39, 8, 8, 8),  # 8 - floor(8 * 0.025)
        (0.00, 8, 8, 0),  # the HPA's bounds hold it
    ],
)
def test_the_formula(saturation: float, replicas: int, ready: int, wanted: int) -> None:
    assert desired(saturation, replicas, ready, UP) == wanted


def test_the_band_moves_with_the_threshold() -> None:
    assert [desired(saturation, 10, 10, 1.1) for saturation in (0.79, 0.81, 1.09, 1.11)] == [10, 10, 10, 11]
    assert desired(0.4, 10, 10, 1.1) == 5


def test_the_signal_is_the_worse_of_two_latencies_cut_at_two_and_averaged_over_three_scrapes() -> None:
    """0.9 s of 3 s and 0.04 s of 0.1 s: 0.4; then 30 s of 3 s, cut to 2; then nothing: 0. So 0.4, 1.2, 0.8 and 0.667."""
    view, law = FakeView(spec_replicas=10), Saturation(0.1, UP)
    view.read = readings({pod: {"running": 1.0} for pod in range(9)})
    wanted = []
    for seen in (passed([0.9] * 10, [0.04] * 10), passed([30.0] * 10, [0.04] * 10), passed(), passed()):
        view.seen = seen
        wanted.append(law(view))
    # With credit 0.9: 10 + ceil(10 * (1.2 * 0.9 / 0.55 - 1)), and so on.
    assert wanted == [10, 20, 14, 11]


def test_the_quantile_is_the_90th_percentile_and_zero_without_traffic() -> None:
    assert quantile(np.arange(1.0, 12.0)) == 10.0
    assert quantile(np.empty(0)) == 0.0


def test_the_objective_for_a_token_is_the_guides_on_the_hardware_it_was_made_for() -> None:
    assert token_seconds(FULL) == pytest.approx(0.1, rel=0.01)


def test_between_two_thresholds_lies_the_one_at_equal_ratios() -> None:
    assert between(0.4, 0.9) == 0.6
