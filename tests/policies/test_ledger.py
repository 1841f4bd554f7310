"""The ledger: what it refuses, what it takes from the parents of a key, what it forgets, and what holds for any history."""

import math
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.belief import Belief, Moments, hazard, t_quantile
from policies.codec import decode, encode
from policies.errors import CodecError
from policies.ledger import (
    LONGEST,
    MOST_KEYS,
    MOST_SECONDS,
    Key,
    Ledger,
    Observation,
    Outcome,
    Saved,
    count,
    failure_rate,
    learned,
    observe,
    problem,
    restored,
    saved,
    usual,
)
from policies.starts import Part
from policies.supply import Stage

PRIOR = Stage(230.0, 330.0)
OLD: Key = ("g6.xlarge", "vllm", "sha256:1")
NEW: Key = ("g6.xlarge", "vllm", "sha256:2")
KEYS: tuple[Key, ...] = (OLD, NEW, OLD[:2], ("p5.48xlarge", "vllm", "sha256:1"))

SECONDS = st.floats(0.0, MOST_SECONDS)
OBSERVATIONS = st.builds(Observation, st.sampled_from(Part), st.sampled_from(KEYS), SECONDS, st.sampled_from(Outcome))
HISTORIES = st.lists(OBSERVATIONS, max_size=30)
STAGES = st.tuples(st.floats(1.0, 3600.0), st.floats(1.0, 20.0)).map(lambda at: Stage(at[0], at[0] * at[1]))


def pulled(*seconds: float, key: Key = OLD, outcome: Outcome = Outcome.DONE) -> list[Observation]:
    return [Observation(Part.IMAGE, key, each, outcome) for each in seconds]


def folded(history: Sequence[Observation], ledger: Ledger | None = None, prior: Stage = PRIOR) -> Ledger:
    ledger = ledger or Ledger()
    for observation in history:
        ledger = observe(ledger, observation, prior)
    return ledger


def image(ledger: Ledger, key: Key = OLD, prior: Stage = PRIOR) -> Stage:
    return learned(ledger, Part.IMAGE, key, prior)


def test_without_observations_the_prior_is_what_is_learned() -> None:
    assert image(Ledger()) == PRIOR
    assert image(folded(pulled(10.0, outcome=Outcome.FAILED))) == PRIOR
    assert image(folded(pulled(10.0)), ("p5.48xlarge", "vllm")) == PRIOR
    assert image(Ledger(), ()) == PRIOR


def test_the_prior_is_worth_three_observations() -> None:
    ledger = folded(pulled(200.0, 200.0, 200.0))
    assert image(ledger).p50_seconds == pytest.approx(math.sqrt(200.0 * 230.0), rel=0.01)


def test_a_prior_that_is_far_off_is_worth_less() -> None:
    assert image(folded(pulled(40.0, 42.0, 38.0))).p50_seconds == pytest.approx(40.0, rel=0.15)


def test_a_new_image_is_taken_to_be_like_the_one_before_it() -> None:
    ledger = folded(pulled(*[100.0, 110.0, 90.0] * 5))
    assert image(ledger, NEW).p50_seconds == pytest.approx(100.0, rel=0.05)
    assert image(ledger, NEW).p95_seconds > image(ledger, OLD).p95_seconds
    assert image(ledger, ("p5.48xlarge", "vllm", "sha256:1")) == PRIOR


def test_a_key_learns_as_fast_however_many_parents_it_has() -> None:
    deep, flat = folded(pulled(100.0, 120.0)), folded(pulled(100.0, 120.0, key=OLD[:1]))
    assert image(deep) == image(flat, OLD[:1])


def test_what_is_old_counts_half_after_twenty_observations() -> None:
    moments = Moments().seen(1.0)
    for _ in range(20):
        moments = moments.seen(2.0)
    older = 0.5 / moments.count
    assert moments.mean == pytest.approx(2.0 - older)


def test_what_came_before_a_change_is_forgotten_at_once() -> None:
    """Two in a row that take 2.5 times as long are a change; one is an outlier. To believe that it is over takes five."""
    steady = [*[200.0, 230.0, 174.0] * 5]
    outlier = folded(pulled(*steady, 500.0, 200.0))
    changed = folded(pulled(*steady, 500.0, 520.0))
    assert image(outlier).p50_seconds == pytest.approx(210.0, rel=0.05)
    assert image(changed).p50_seconds == pytest.approx(500.0, rel=0.1)
    slow, back = folded(pulled(*[480.0, 500.0, 520.0] * 5)), [200.0, 220.0, 190.0, 210.0]
    assert image(folded(pulled(*back), slow)).p50_seconds > 350.0
    assert image(folded(pulled(*back, 200.0), slow)).p50_seconds == pytest.approx(210.0, rel=0.2)


def test_a_part_that_was_given_up_counts_as_longer() -> None:
    ended, given_up = (
        folded(pulled(*[200.0] * 9, 400.0)),
        folded([*pulled(*[200.0] * 9), *pulled(400.0, outcome=Outcome.TIMED_OUT)]),
    )
    assert image(given_up).p95_seconds > image(ended).p95_seconds


def test_one_that_was_given_up_at_once_says_next_to_nothing() -> None:
    ledger = folded(pulled(*[200.0, 230.0, 170.0] * 4))
    given_up = folded(pulled(1.0, outcome=Outcome.TIMED_OUT), ledger)
    assert image(given_up).p50_seconds == pytest.approx(image(ledger).p50_seconds, rel=0.01)


def test_time_outs_alone_do_not_run_away() -> None:
    ledger = folded(pulled(*[600.0] * 300, outcome=Outcome.TIMED_OUT))
    assert 600.0 < image(ledger).p50_seconds < 3600.0


def test_failures_are_counted_apart() -> None:
    key = OLD
    assert failure_rate(Ledger(), Part.IMAGE, key) == pytest.approx(0.02)
    half = folded([*pulled(200.0, outcome=Outcome.FAILED), *pulled(200.0)] * 30)
    assert failure_rate(half, Part.IMAGE, key) == pytest.approx(0.46, abs=0.05)
    assert failure_rate(half, Part.IMAGE, NEW) == pytest.approx(0.46, abs=0.05)
    assert failure_rate(half, Part.NODE, key) == pytest.approx(0.02)
    assert image(half) == image(folded(pulled(*[200.0] * 30)))


def test_a_duration_is_unusual_once_enough_was_seen() -> None:
    few, enough = folded(pulled(*[200.0] * 4)), folded(pulled(*[200.0, 210.0, 190.0] * 5))
    for ledger, seconds, expected in (
        (few, 4000.0, True),
        (enough, 230.0, True),
        (enough, 4000.0, False),
        (enough, 5.0, False),
    ):
        assert usual(ledger, Part.IMAGE, OLD, PRIOR, seconds) is expected, (seconds, expected)


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -1.0, MOST_SECONDS * 1.01])
def test_a_duration_that_cannot_be_is_refused(seconds: float) -> None:
    observation = Observation(Part.IMAGE, OLD, seconds)
    assert problem(observation) == f"{seconds:g} s is no duration from 0 to 86400 s"
    assert observe(Ledger(), observation, PRIOR) == Ledger()


@pytest.mark.parametrize("key", [(), ("a",) * 5, ("a" * (LONGEST + 1),), ("a\nb",), ("\ud800",), ("ü",)])
def test_a_key_that_cannot_be_is_refused(key: Key) -> None:
    assert "a key" in problem(Observation(Part.IMAGE, key, 1.0))
    assert observe(Ledger(), Observation(Part.IMAGE, key, 1.0), PRIOR) == Ledger()


def test_the_keys_that_were_not_seen_for_longest_go_first() -> None:
    ledger = folded(pulled(100.0, key=("kept",)))
    for index in range(MOST_KEYS + 10):
        ledger = folded(pulled(100.0, key=("g6.xlarge", "vllm", str(index))), ledger)
        ledger = folded(pulled(100.0, key=("kept",)), ledger)
    entries = ledger.entries[Part.IMAGE]
    assert len(entries) == MOST_KEYS
    assert {("kept",), ("g6.xlarge",), ("g6.xlarge", "vllm"), ("g6.xlarge", "vllm", str(MOST_KEYS + 9))} <= set(entries)
    assert count(ledger, Part.IMAGE, ("g6.xlarge", "vllm", "0")) > 29.0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"rows":[{"part":"image","key":["a"],"entry":{"seen":-1}}]}', "a count or a sum of squares is negative"),
        ('{"rows":[{"part":"image","key":["a"],"entry":{"done":31.0}}]}', "a count or a sum of squares is greater"),
        (
            '{"rows":[{"part":"image","key":["a"],"entry":{"durations":{"count":1,"mean":99}}}]}',
            "a duration is not from",
        ),
        ('{"rows":[{"part":"image","key":["a"],"entry":{"durations":{"count":0.5}}}]}', "those of whole observations"),
        (
            '{"rows":[{"part":"image","key":["a"],"entry":{"seen":1,"durations":{"recent":[1e40]}}}]}',
            "those of whole observations",
        ),
        (
            '{"rows":[{"part":"image","key":["a"],"entry":{"durations":{"squares":1e9}}}]}',
            "a count or a sum of squares is",
        ),
        ('{"rows":[{"part":"image","key":[],"entry":{}}]}', "a key has 1 to 4 items, not 0"),
        ('{"rows":[{"part":"mood","key":["a"],"entry":{}}]}', "'mood' is not a valid Part"),
        ('{"rows":[{"part":"image","key":["a"],"entry":{"done":1e999}}]}', "a finite number was expected"),
        ('{"columns":[]}', "unknown fields ['columns']"),
    ],
)
def test_rows_that_no_ledger_has_are_refused(text: str, why: str) -> None:
    with pytest.raises(CodecError) as refused:
        restored(decode(Saved, text))
    assert why in str(refused.value)


@given(HISTORIES, STAGES)
def test_nothing_learned_is_ever_not_finite_or_out_of_bounds(history: list[Observation], prior: Stage) -> None:
    ledger = folded(history, prior=prior)
    for part in Part:
        for key in KEYS:
            stage = learned(ledger, part, key, prior)
            assert 0.0 < stage.p50_seconds <= stage.p95_seconds <= max(MOST_SECONDS, prior.p95_seconds)
            assert 0.0 < failure_rate(ledger, part, key) < 1.0


@given(HISTORIES)
def test_a_ledger_survives_json_and_goes_on_the_same(history: list[Observation]) -> None:
    ledger = folded(history)
    again = restored(decode(Saved, encode(saved(ledger))))
    assert again == ledger
    assert encode(saved(folded(history, again))) == encode(saved(folded(history, ledger)))


@given(HISTORIES, st.randoms(use_true_random=False))
def test_the_order_of_parts_and_of_keys_without_a_common_parent_does_not_matter(
    history: list[Observation], shuffled: Random
) -> None:
    streams: dict[tuple[Part, str], list[Observation]] = {}
    for observation in history:
        streams.setdefault((observation.part, observation.key[0]), []).append(observation)
    order = [(observation.part, observation.key[0]) for observation in history]
    shuffled.shuffle(order)
    mixed = [streams[stream].pop(0) for stream in order]
    assert folded(mixed) == folded(history)


@given(HISTORIES, STAGES, st.floats(1.0, 10.0), st.sampled_from([Outcome.DONE, Outcome.TIMED_OUT]))
def test_one_more_that_takes_longer_than_the_p95_does_not_shorten_it(
    history: list[Observation], prior: Stage, factor: float, outcome: Outcome
) -> None:
    ledger = folded(history, prior=prior)
    before = image(ledger, prior=prior)
    slower = pulled(min(before.p95_seconds * factor, MOST_SECONDS), outcome=outcome)
    assert image(folded(slower, ledger, prior), prior=prior).p95_seconds >= before.p95_seconds * 0.999


@given(HISTORIES, STAGES, st.floats(1.0, 10.0), st.floats(1.0, 10.0))
def test_of_two_ends_above_the_median_the_slower_gives_the_longer_p95(
    history: list[Observation], prior: Stage, above: float, factor: float
) -> None:
    ledger = folded(history, prior=prior)
    seconds = image(ledger, prior=prior).p50_seconds * above
    ends = [pulled(min(each, MOST_SECONDS)) for each in (seconds, seconds * factor)]
    fast, slow = (image(folded(end, ledger, prior), prior=prior) for end in ends)
    assert slow.p95_seconds >= fast.p95_seconds * 0.999


@pytest.mark.parametrize("freedom", [3.0, 4.5, 8.0, 33.0])
def test_students_quantile(freedom: float) -> None:
    from scipy.stats import t  # takes a second

    assert t_quantile(1.644854, freedom) == pytest.approx(t.ppf(0.95, freedom), rel=2e-3)
    assert t_quantile(0.0, freedom) == 0.0
    if freedom >= 8.0:
        assert t_quantile(3.0902, freedom) == pytest.approx(t.ppf(0.999, freedom), rel=2e-2)


@pytest.mark.parametrize("start", [-8.0, -1.0, 0.0, 2.0, 12.0, 29.9, 30.1, 1000.0])
def test_what_is_expected_beyond_a_bound(start: float) -> None:
    from scipy.stats import norm, truncnorm

    assert hazard(start) == pytest.approx(math.exp(norm.logpdf(start) - norm.logsf(start)), rel=1e-5)
    mean, variance = Belief(5.0, 0.04, 1e9, 1e9).beyond(5.0 + 0.2 * start)
    if start < 10.0:
        assert (mean, variance) == pytest.approx(truncnorm.stats(start, math.inf, 5.0, 0.2), rel=1e-3)
    assert mean >= 5.0 + 0.2 * start
    assert 0.0 <= variance <= 0.04001
