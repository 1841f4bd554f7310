import pytest

from replay.simcluster.promql import Matcher, QueryError, duration, parse


def test_a_selector_by_name_and_pods() -> None:
    query = parse('{__name__=~"a|b:c",namespace="serving",pod=~"llm-0|llm\\\\.1"}')
    assert query.matchers == (
        Matcher("__name__", "=~", "a|b:c"),
        Matcher("namespace", "=", "serving"),
        Matcher("pod", "=~", "llm-0|llm\\.1"),
    )
    assert (query.summed, query.rate_seconds) == (False, None)


def test_sum_of_a_gauge_and_of_a_rate() -> None:
    gauge = parse('sum(vllm:num_requests_running{namespace="s",pod=~"llm-.+"})')
    assert (gauge.matchers[0], gauge.summed) == (Matcher("__name__", "=", "vllm:num_requests_running"), True)
    rate = parse(' sum( rate(x_total{pod!~"a{2}",}[5m]) ) ')
    assert (rate.rate_seconds, rate.summed) == (300.0, True)
    assert rate.matchers[1] == Matcher("pod", "!~", "a{2}")
    assert parse("up").matchers == (Matcher("__name__", "=", "up"),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{pod=~".*"}',
        "sum(x",
        "sum x)",
        "x[5m]",
        "rate(x)",
        "avg(x)",
        "x + y",
        "x{pod=llm}",
        'x{pod=~"("}',
        "sum(x) by (pod)",
        'x{pod="a" namespace="b"}',
    ],
)
def test_every_other_shape_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="parse error"):
        parse(text)


def test_matchers_take_the_whole_value_and_read_absent_as_empty() -> None:
    assert not Matcher("pod", "=~", "llm").matches({"pod": "llm-0"})
    assert Matcher("pod", "=", "").matches({})
    assert Matcher("pod", "!=", "a").matches({})
    assert Matcher("pod", "!~", "llm-.+").matches({"pod": "other"})


def test_durations() -> None:
    assert [duration(text) for text in ("60", "0.5", "5m", "90s", "250ms", "1d")] == [60, 0.5, 300, 90, 0.25, 86400]
    assert duration("soon") is None
