import pytest

from replay.simcluster.promql import Aggregation, Matcher, QueryError, duration, parse


def test_a_selector_by_name_and_pods() -> None:
    query = parse('{__name__=~"a|b:c",namespace="serving",pod=~"llm-0|llm\\\\.1"}')
    assert query.matchers == (
        Matcher("__name__", "=~", "a|b:c"),
        Matcher("namespace", "=", "serving"),
        Matcher("pod", "=~", "llm-0|llm\\.1"),
    )
    assert (query.aggregations, query.function) == ((), None)


def test_sum_of_a_gauge_and_of_a_rate() -> None:
    gauge = parse('sum(vllm:num_requests_running{namespace="s",pod=~"llm-.+"})')
    assert gauge.matchers[0] == Matcher("__name__", "=", "vllm:num_requests_running")
    assert gauge.aggregations == (Aggregation("sum", ()),)
    rate = parse(' sum( rate(x_total{pod!~"a{2}",}[5m]) ) ')
    assert (rate.function, rate.window_seconds, rate.aggregations) == ("rate", 300.0, (Aggregation("sum", ()),))
    assert rate.matchers[1] == Matcher("pod", "!~", "a{2}")
    assert parse("up").matchers == (Matcher("__name__", "=", "up"),)


def test_aggregations_are_read_from_the_inside_out() -> None:
    query = parse('sum(max by (pod, engine) (rate(x{pod="a"}[75s])))')
    assert query.aggregations == (Aggregation("max", ("pod", "engine")), Aggregation("sum", ()))
    count = parse("max(count_over_time(x[600s]))")
    assert (count.function, count.window_seconds, count.aggregations) == (
        "count_over_time",
        600.0,
        (Aggregation("max", ()),),
    )


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
        "max by (pod) x",
        "max by pod (x)",
        "rate(sum(x)[5m])",
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
