import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.kube import trim
from autoscaler.starts.engine_stages import MOST_ANSWERS, STAGES, Answers, added, stage, warmup_parts
from autoscaler.starts.pods import seen
from policies.starts import WARMUP_PARTS, Part
from tests.autoscaler.starts.recorded import T0, pod

POD = seen(trim.pod(pod(scheduled=1.0, started=10.0, ready=120.0)), "vllm")
MEASURED = {"initializing": 11.0, "loading_weights": 34.0, "weights_loaded": 47.0, "kv_cache_ready": 77.0}


def answered(begins: dict[str, float], until: float = 119.0, every: float = 2.0) -> tuple[Answers, ...]:
    """Asked in even intervals from 12 s on."""
    answers: tuple[Answers, ...] = ()
    now = 12.0
    while now <= until:
        name = max((since, name) for name, since in begins.items() if since <= now)[1]
        answers = added(answers, STAGES.index(name), T0 + now)
        now += every
    return answers


def parts(answers: tuple[Answers, ...]) -> list[tuple[Part, float, float]]:
    return [(each.part, each.begin_seconds - T0, each.end_seconds - T0) for each in warmup_parts(answers, POD)]


def test_each_part_of_a_warm_up_ends_between_two_answers() -> None:
    assert parts(answered({**MEASURED, "graph_capture_done": 97.0})) == [
        (Part.PROCESS, 10.0, 33.0),
        (Part.LOAD, 33.0, 47.0),
        (Part.COMPILE, 47.0, 77.0),
        (Part.GRAPHS, 77.0, 97.0),
        (Part.PROBE, 97.0, 120.0),
    ]


def test_an_engine_may_be_ready_before_it_says_so() -> None:
    assert parts(answered(MEASURED))[-2:] == [(Part.GRAPHS, 77.0, 119.0), (Part.PROBE, 119.0, 120.0)]


@pytest.mark.parametrize(
    "answers",
    [
        (),
        answered({"model_ready": 0.0}),  # as the proposal does: its server listens once all is over
        answered({"initializing": 0.0, "model_ready": 100.0}),  # as it does after a fault
        answered({"loading_weights": 0.0, "weights_loaded": 47.0, "kv_cache_ready": 77.0}),
        answered({**MEASURED, "weights_loaded": 76.5}),  # loaded for less than the time between two answers
        answered(MEASURED, every=12.0),
        answered(MEASURED, until=100.0),  # 20 s before it served
        answered({**MEASURED, "graph_capture_done": 80.0, "loading_weights": 90.0}),
    ],
    ids=["none", "too late", "a fault", "no begin", "too short", "far apart", "not until the end", "backwards"],
)
def test_otherwise_the_warm_up_is_known_as_a_whole(answers: tuple[Answers, ...]) -> None:
    assert parts(answers) == []


def test_what_an_engine_that_goes_to_and_fro_answers_is_bounded() -> None:
    answers: tuple[Answers, ...] = ()
    for count in range(1000):
        answers = added(answers, 2 + count % 2, T0 + 20.0 + count / 20)
    assert len(answers) <= MOST_ANSWERS
    assert not parts(answers)


def test_a_pod_whose_container_restarted_or_that_does_not_serve_says_nothing() -> None:
    answers = answered(MEASURED)
    assert warmup_parts(answers, POD)
    assert not warmup_parts(answers, replace(POD, restarts=1))
    assert not warmup_parts(answers, replace(POD, ready_seconds=None))
    assert not warmup_parts(answers, replace(POD, started_seconds=None))


def test_an_answer_is_read_as_proposed_and_in_no_other_shape() -> None:
    assert stage(b'{"stage": "loading_weights", "model_ready": false, "residual_delay_s": 56.0, "timestamp": 1.0}') == 2
    assert stage(b'{"stage": "model_ready", "model_ready": true}') == 6
    for other in (
        b"",
        b"ok",
        b"[]",
        b"[" * 4000,
        b"\xff",
        b"{}",
        b'{"stage": "loading_weights"}',
        b'{"stage": "loading_weights", "model_ready": true}',
        b'{"stage": "model_ready", "model_ready": 1}',
        b'{"stage": ["model_ready"], "model_ready": true}',
        b'{"stage": "warming", "model_ready": false}',
        json.dumps({"stages": [{"name": "loading_weights", "seconds": 3}]}).encode(),
    ):
        assert stage(other) is None, other


@given(st.lists(st.tuples(st.integers(0, 6), st.floats(-20, 40)), max_size=12))
def test_whatever_is_answered_the_parts_are_in_order_or_there_are_none(steps: list[tuple[int, float]]) -> None:
    answers: tuple[Answers, ...] = ()
    now = T0
    for at, seconds in steps:
        now += seconds
        answers = added(answers, at, now)
    found = warmup_parts(answers, POD)
    assert found == () or [each.part for each in found] == list(WARMUP_PARTS)
    for each in found:
        assert 0.0 <= each.seconds <= 130.0
