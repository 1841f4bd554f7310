"""Cutting and multiplying traces."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.traces.recorded import BinTrace, RequestTrace
from replay.traces.samples import sample
from replay.traces.trace import Requests


def requests(arrivals: list[float]) -> RequestTrace:
    count = len(arrivals)
    return RequestTrace("t", Requests(np.array(arrivals, np.float64), np.arange(count) + 100, np.arange(count) + 1))


def bins(counts: list[int], width: float = 10.0) -> BinTrace:
    array = np.array(counts, np.float64)
    start = np.arange(len(counts), dtype=np.float64) * width
    return BinTrace("t", start, np.full(len(counts), width), array, array * 70, array * 30)


def test_exact_times_stay_as_they_are() -> None:
    window = requests([0.0, 1.25, 2.5, 9.0]).window(1.0, 9.0, 1.0, seed=3)
    assert window.arrival_s.tolist() == [0.25, 1.5]
    assert window.prompt_tokens.tolist() == [101, 102]


def test_copies_keep_the_tokens_and_do_not_coincide() -> None:
    trace = requests(list(np.sort(np.random.default_rng(0).uniform(0, 100, 200))))
    window = trace.window(0.0, 200.0, 3.0, seed=1)
    assert len(window) == 600
    assert len(np.unique(window.arrival_s)) == 600
    assert np.bincount(window.output_tokens, minlength=201)[1:].tolist() == [3] * 200
    assert np.all(np.diff(window.arrival_s) >= 0)


def test_rounded_times_are_spread_over_their_quantum() -> None:
    trace = requests(list(np.repeat(np.arange(0.0, 300.0, 3.0), 20)))
    assert trace.quantum_seconds == 3.0
    window = trace.window(0.0, 300.0, 1.0, seed=1)
    assert len(window) == 2000
    phase = window.arrival_s % 3.0
    assert phase.mean() == pytest.approx(1.5, abs=0.1)
    assert np.bincount((window.arrival_s // 3).astype(int)).tolist() == [20] * 100


def test_a_broken_scale_takes_a_part_of_the_last_copy() -> None:
    trace = requests(list(np.arange(10_000.0)))
    assert len(trace.window(0.0, 10_000.0, 0.25, seed=1)) == pytest.approx(2500, rel=0.05)
    assert len(bins([1000] * 100).window(0.0, 1000.0, 1.5, seed=1)) == 150_000


@given(st.lists(st.integers(0, 30), min_size=1, max_size=20), st.sampled_from([1.0, 2.0, 5.0]), st.integers(0, 100))
def test_bins_keep_their_counts_and_tokens(counts: list[int], scale: float, seed: int) -> None:
    window = bins(counts).window(0.0, 10.0 * len(counts), scale, seed)
    in_bin = np.bincount((window.arrival_s // 10).astype(int), minlength=len(counts))
    assert in_bin.tolist() == [scale * count for count in counts]
    total = scale * sum(counts)
    # A request has at least one token, which may add a few to a sum.
    assert total * 70 <= window.prompt_tokens.sum() + 1 <= total * 70 + total + 2
    assert window.output_tokens.sum() == pytest.approx(total * 30, rel=0.02, abs=3)


def test_a_seed_repeats_and_another_differs() -> None:
    trace = bins([50, 60, 70])
    first, again, other = (trace.window(0.0, 30.0, 2.0, seed).arrival_s for seed in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()


def test_totals_of_requests_and_bins() -> None:
    totals = requests([0.0, 30.0, 60.0, 61.0, 150.0]).totals(0.0, 180.0, 60.0)
    assert totals.requests.tolist() == [2, 2, 1]
    assert totals.prompt_tokens.tolist() == [201, 205, 104]
    totals = bins([6] * 18).totals(30.0, 150.0, 60.0)
    assert totals.requests == pytest.approx([36, 36])


def test_wide_bins_spread_over_steps_and_gaps_stay_unknown() -> None:
    assert bins([120], width=120.0).totals(0.0, 120.0, 60.0).requests == pytest.approx([60, 60])
    counts = np.array([6.0, 12.0])
    gap = BinTrace("t", np.array([0.0, 120.0]), np.array([60.0, 60.0]), counts, counts, counts)
    totals = gap.totals(0.0, 180.0, 60.0).requests
    assert totals[[0, 2]] == pytest.approx([6, 12])
    assert np.isnan(totals[1])


def test_the_sample_has_a_week_a_ramp_and_a_rush() -> None:
    office = sample("office-morning")
    assert office.duration_seconds == 2160
    minutes = office.trace.totals(0.0, office.trace.duration_seconds, 60.0).requests / 60
    window = minutes[-36:]
    before, rush, after = window[:13].mean(), window[20:24].mean(), window[31:].mean()
    assert rush == pytest.approx(2.6 * before, rel=0.15)
    assert before < after < rush / 1.5
    yesterday = office.trace.totals(6 * 86_400.0, 6 * 86_400.0 + 2160.0, 60.0).requests / 60
    assert yesterday[20:24].mean() > 1.8 * yesterday[:13].mean()
    night = office.trace.totals(17 * 3600.0, 19 * 3600.0, 3600.0).requests / 3600
    assert night.max() < before / 2
    np.testing.assert_array_equal(sample("office-morning").trace.requests, office.trace.requests)


def test_an_unknown_sample_names_the_known() -> None:
    with pytest.raises(KeyError, match="office-morning"):
        sample("nothing")
