"""The work of a request from busy replicas: an engine by the equation of `policies.curve`, with noise, at loads below saturation."""

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.capacity import RATIO_LIMIT, SINK_PER_HOUR, learn, settled, work_ratio
from policies.curve import GAP_SECONDS, MIN_COUNT, WINDOW_SECONDS, estimate, folded, gathered
from policies.model import Capacity, Curve, Engine
from tests.support.worlds import START

HOUR = 60  # windows
PROFILE = Engine(20_000.0, 0.0002, 0.85, 256.0)
STEP_BASE, STEP_SEQUENCE = 0.012, 0.00015  # with a full batch, those of the profile


def window(
    at: float, load: float, mix: float, slowness: float = 1.0, *, replicas: int = 8, noise: float = 1.0
) -> Curve | None:
    """A minute of replicas whose true utilization is `load`, by prefill a share `mix` of it; None if they are full."""
    prefill, decode = load * mix / slowness, load * (1.0 - mix) / slowness
    tokens = decode / PROFILE.decode_seconds_per_token
    steps = (1.0 / slowness - prefill - STEP_SEQUENCE * tokens) / STEP_BASE
    if steps * PROFILE.max_concurrency < tokens:
        return None
    running = noise * tokens / steps + prefill * slowness / PROFILE.prefill_max_share
    curve = gathered(Curve(), at, WINDOW_SECONDS, running, prefill * WINDOW_SECONDS, decode * WINDOW_SECONDS)
    return replace(
        curve,
        span_seconds=replicas * curve.span_seconds,
        running_seconds=replicas * curve.running_seconds,
        prefill_seconds=replicas * curve.prefill_seconds,
        decode_seconds=replicas * curve.decode_seconds,
    )


def lived(
    capacity: Capacity,
    windows: int,
    *,
    load: float = 0.5,
    slowness: float = 1.0,
    profile: Engine = PROFILE,
    since: float = START,
    seed: int = 0,
) -> Capacity:
    """The capacity after so many minutes of a load that moves, seen beside a profile that may be wrong."""
    rng, wrong = random.Random(seed), profile.decode_seconds_per_token / PROFILE.decode_seconds_per_token
    for minute in range(windows):
        at = since + (minute + 1) * WINDOW_SECONDS
        now = load * math.exp(0.15 * math.sin(minute / 20.0) + rng.gauss(0.0, 0.08))
        seen = window(at, min(now, 0.97), rng.uniform(0.4, 0.6), slowness, noise=rng.gauss(1.0, 0.06))
        if seen is None:
            continue
        seen = replace(seen, prefill_seconds=wrong * seen.prefill_seconds, decode_seconds=wrong * seen.decode_seconds)
        curve = capacity.curve
        open_window = replace(seen, count=curve.count, weight=curve.weight, means=curve.means, moments=curve.moments)
        capacity = settled(replace(capacity, curve=open_window), profile, at)
    return capacity


def wrong_by(factor: float) -> Engine:
    """A profile that overstates the work of a request by that factor."""
    return replace(
        PROFILE,
        prefill_tokens_per_second=PROFILE.prefill_tokens_per_second / factor,
        decode_seconds_per_token=PROFILE.decode_seconds_per_token * factor,
    )


@pytest.mark.parametrize("factor", [0.5, 0.85, 1.0, 1.15, 2.0])
@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_a_wrong_profile_is_mended_without_a_queue(factor: float, load: float) -> None:
    learned = lived(Capacity(), 4 * HOUR, load=load, profile=wrong_by(factor))
    assert learned.count == 0.0
    assert work_ratio(learned) == pytest.approx(1.0 / factor, rel=0.03 / load)  # the longer the way to a full batch


@pytest.mark.parametrize("slowness", [1.2, 1.5])
def test_an_engine_that_slows_down_is_noticed_within_an_hour(slowness: float) -> None:
    before = lived(Capacity(), 24 * HOUR)
    after = lived(before, HOUR, slowness=slowness, since=START + 24 * 3600.0, load=0.6, seed=1)
    share = math.log(work_ratio(after) / work_ratio(before)) / math.log(slowness)
    assert 0.75 < share < 1.15


def test_an_engine_that_gets_faster_is_noticed() -> None:
    before = lived(Capacity(), 24 * HOUR)
    after = lived(before, 3 * HOUR, slowness=0.8, since=START + 24 * 3600.0, seed=1)
    assert work_ratio(after) == pytest.approx(0.8, rel=0.1)


def test_what_a_queue_showed_is_believed_rather_than_the_curve() -> None:
    queued = Capacity()
    for _ in range(200):
        queued = learn(queued, PROFILE, START, 15.0, 15.0 / 1.5, PROFILE.max_concurrency)
    soon, later = lived(queued, 10), lived(queued, 8 * HOUR)
    assert work_ratio(soon) > 1.4
    assert work_ratio(later) == pytest.approx(1.0, rel=0.06)


def test_what_nothing_confirms_sinks_slowly() -> None:
    """Too few run for a curve: a factor of two is mended in a day and a half."""
    capacity, minutes = Capacity(), 12 * HOUR
    for minute in range(minutes):
        at = START + (minute + 1) * WINDOW_SECONDS
        curve = gathered(Curve(), at, WINDOW_SECONDS, 2.0, 0.2 * WINDOW_SECONDS, 0.1 * WINDOW_SECONDS)
        capacity = settled(replace(capacity, curve=curve), PROFILE, at)
    assert capacity.log_work_ratio == pytest.approx(-12 * SINK_PER_HOUR)


def test_an_idle_fleet_keeps_its_estimate() -> None:
    curve = gathered(Curve(), START, WINDOW_SECONDS, 1.0, 0.01 * WINDOW_SECONDS, 0.01 * WINDOW_SECONDS)
    assert settled(Capacity(curve=curve), PROFILE, START).log_work_ratio == 0.0
    assert settled(Capacity(), PROFILE, START) == Capacity()


def test_a_load_that_never_moves_shows_nothing() -> None:
    curve = Curve()
    for minute in range(2 * HOUR):
        at = START + minute * WINDOW_SECONDS
        seen = window(at, 0.5, 0.5)
        assert seen is not None
        seen = replace(seen, count=curve.count, weight=curve.weight, means=curve.means, moments=curve.moments)
        curve = folded(seen, PROFILE, 1.0, at)
    assert curve.count > MIN_COUNT
    assert estimate(curve, PROFILE, PROFILE.max_concurrency) is None


def test_a_window_with_a_gap_is_dropped() -> None:
    curve = gathered(Curve(), START, WINDOW_SECONDS, 20.0, 20.0, 20.0)
    assert folded(curve, PROFILE, 1.0, START + GAP_SECONDS) == Curve()


WINDOWS = st.tuples(
    st.floats(0.0, 5120.0), st.floats(0.0, 600.0), st.floats(0.0, 600.0), st.floats(60.0, 6000.0)
)  # running, prefill, decode and span seconds


@settings(max_examples=60, deadline=None)
@given(st.lists(WINDOWS, max_size=60), st.sampled_from([8.0, 256.0]))
def test_no_series_of_windows_takes_the_estimate_out_of_bounds(
    windows: list[tuple[float, float, float, float]], concurrency: float
) -> None:
    capacity, engine = Capacity(), replace(PROFILE, max_concurrency=concurrency)
    for index, (running, prefill, decode, span) in enumerate(windows):
        at = START + (index + 1) * WINDOW_SECONDS
        before = capacity.log_work_ratio
        curve = replace(
            capacity.curve,
            since_seconds=at - WINDOW_SECONDS,
            span_seconds=span,
            running_seconds=running * span,
            prefill_seconds=prefill,
            decode_seconds=decode,
        )
        capacity = settled(replace(capacity, curve=curve), engine, at)
        numbers = (capacity.log_work_ratio, *capacity.curve.means, *capacity.curve.moments)
        assert all(math.isfinite(each) for each in numbers)
        assert abs(capacity.log_work_ratio) <= RATIO_LIMIT
        assert capacity.log_work_ratio >= before - 0.25 / HOUR - 1e-9  # never down fast
