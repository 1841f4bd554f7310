"""Scenarios cut from traces."""

import numpy as np
import pytest

from policies.supply import Stage
from replay.scenario.build import build
from replay.scenario.scenario import L4_8B
from replay.traces.recorded import BinTrace, RequestTrace
from replay.traces.samples import sample
from replay.traces.trace import UNDATED_EPOCH_SECONDS, Requests


def steady(hours: int = 3, per_minute: int = 120) -> BinTrace:
    counts = np.full(hours * 60, float(per_minute))
    return BinTrace(
        "steady",
        np.arange(len(counts), dtype=np.float64) * 60.0,
        np.full(len(counts), 60.0),
        counts,
        counts * 900,
        counts * 220,
    )


def test_a_window_with_the_trace_before_it_as_past() -> None:
    scenario = build(steady(), scale=2, start_seconds=3630.0, duration_seconds=600.0)
    assert scenario.name == "steady x2"
    assert scenario.start_seconds == UNDATED_EPOCH_SECONDS + 3630
    assert len(scenario.requests) == pytest.approx(2400, rel=0.05)
    assert scenario.past is not None
    assert len(scenario.past.requests) == 60
    assert scenario.past.start_seconds + 60 * 60 == scenario.start_seconds
    assert scenario.past.requests == pytest.approx(np.full(60, 240.0))
    assert scenario.past.prompt_tokens == pytest.approx(np.full(60, 240.0 * 900))


def test_the_first_fleet_fits_the_first_minutes() -> None:
    scenario = build(steady(), duration_seconds=1800.0)
    work = 2 * L4_8B.work_seconds(900, 220)
    assert scenario.initial_replicas == np.ceil(1.25 * work)
    assert build(steady(), duration_seconds=60.0, initial_replicas=2).initial_replicas == 2


def test_no_past_and_a_generated_one() -> None:
    assert build(steady(), start_seconds=600.0, past="none").past is None
    assert build(steady()).past is None
    past = build(steady(), past="generated", seed=4).past
    assert past is not None
    assert len(past.requests) == 7 * 1440
    assert past.requests.mean() == pytest.approx(120, rel=0.02)
    hours = past.requests.reshape(-1, 60).mean(axis=1)
    assert hours[-1] == pytest.approx(120, rel=0.1)
    assert hours.max() == pytest.approx(180, rel=0.05)
    assert hours.min() == pytest.approx(60, rel=0.1)


def test_every_request_has_a_token_each_way() -> None:
    none = np.zeros(3, np.int64)
    scenario = build(RequestTrace("zeros", Requests(np.array([0.0, 1.0, 2.0]), none, none)))
    assert scenario.requests.prompt_tokens.tolist() == scenario.requests.output_tokens.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"start_seconds": 20_000.0}, "lasts 10800 s and has no window from 20000"),
        ({"duration_seconds": 20_000.0}, "no window from 0 to 20000"),
        ({"scale": 0.0}, "scale must be above 0"),
        ({"duration_seconds": 0.5}, "0.50 s of traffic are too short for a replay; it needs 1 s"),
        ({"scale": 1e6}, "21,600,000,000 requests from 0 to 10800 s; at most 50,000,000"),
    ],
)
def test_impossible_windows_say_so(arguments: dict[str, float], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        build(steady(), **arguments)  # type: ignore[arg-type]


def test_a_window_without_requests_says_so() -> None:
    trace = RequestTrace("t", Requests(np.array([0.0, 900.0]), np.ones(2, np.int64), np.ones(2, np.int64)))
    with pytest.raises(ValueError, match="no requests from 100 to 200"):
        build(trace, start_seconds=100.0, duration_seconds=100.0)


def test_the_sample_meets_a_fleet_of_four_to_twelve() -> None:
    office = sample("office-morning")
    scenario = build(office.trace, start_seconds=office.start_seconds, duration_seconds=office.duration_seconds)
    assert 4 <= scenario.initial_replicas <= 6
    prompt, output = (
        float(column.sum()) for column in (scenario.requests.prompt_tokens, scenario.requests.output_tokens)
    )
    assert 4 <= scenario.hardware.replicas(prompt, output, scenario.duration_seconds) <= 8
    assert scenario.past is not None
    assert len(scenario.past.requests) == 7 * 1440


def test_the_default_hardware_is_the_8b_on_an_l4() -> None:
    assert L4_8B.engine.decode_seconds_per_token == pytest.approx(0.0025, rel=0.01)
    assert L4_8B.cold_start.node == Stage(38.0, 92.9)
    assert L4_8B.replicas_per_node == 1
