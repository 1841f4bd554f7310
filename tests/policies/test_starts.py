"""One start of a replica: what of it was hidden."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.codec import decode, encode
from policies.starts import PATHS, Part, Span, Start, hidden_seconds

TIMES = st.integers(0, 600).map(float)
SPANS = st.builds(Span, st.sampled_from(Part), TIMES, TIMES, st.sampled_from(PATHS))


def a_start(*spans: Span) -> Start:
    return Start("qwen-abc", "gpu-7", 0.0, 400.0, spans)


@pytest.mark.parametrize(
    ("spans", "hidden"),
    [
        ([], 0.0),
        ([(0, 60), (60, 100)], 0.0),
        ([(0, 60), (30, 100)], 30.0),
        ([(0, 200), (20, 60), (50, 90)], 80.0),
        ([(50, 90), (0, 60), (120, 130)], 10.0),
        ([(60, 30), (30, 60)], 0.0),
    ],
)
def test_what_passes_while_another_part_is_under_way_is_hidden(spans: list[tuple[int, int]], hidden: float) -> None:
    assert hidden_seconds(a_start(*[Span(Part.IMAGE, begin, end) for begin, end in spans])) == hidden


@given(st.lists(SPANS, max_size=8))
def test_what_is_hidden_is_the_sum_of_the_parts_less_the_seconds_in_which_any_was_under_way(spans: list[Span]) -> None:
    seen = sum(any(span.begin_seconds <= second < span.end_seconds for span in spans) for second in range(600))
    assert math.isclose(hidden_seconds(a_start(*spans)), sum(span.seconds for span in spans) - seen, abs_tol=1e-9)


@given(st.lists(SPANS, max_size=8))
def test_a_start_survives_json(spans: list[Span]) -> None:
    start = a_start(*spans)
    assert decode(Start, encode(start)) == start
