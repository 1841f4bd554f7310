"""Traces are read as they are published, and faults are named by file, row and column."""

import gzip
import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from replay.traces import layouts, prometheus
from replay.traces.counters import COUNTERS
from replay.traces.read import read
from replay.traces.recorded import BinTrace, RequestTrace
from replay.traces.trace import TraceError

REQUESTS = "arrival_s,prompt_tokens,output_tokens\n"
BINS = "bin_start_s,bin_s,requests,prompt_tokens,output_tokens\n"
AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n"


def written(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def read_requests(path: Path) -> RequestTrace:
    trace = read(path)
    assert isinstance(trace, RequestTrace)
    return trace


def test_real_traces_of_both_layouts(shared: Path) -> None:
    azure = read_requests(shared / "traces/azure2023_conv.parquet")
    assert (azure.name, len(azure.requests), azure.quantum_seconds) == ("azure2023_conv", 19_366, 0.0)
    mooncake = read_requests(shared / "traces/mooncake_conversation.parquet")
    assert (len(mooncake.requests), mooncake.quantum_seconds) == (12_031, 3.0)
    bins = read(shared / "traces/azure2024_conv_d0-3_10s.parquet")
    assert isinstance(bins, BinTrace)
    assert bins.requests.sum() == 16_274_475


def test_publishers_formats_agree_with_the_tables_made_of_them(shared: Path) -> None:
    azure = read_requests(shared / "traces/native/AzureLLMInferenceTrace_conv.first6000.csv.gz")
    table = read_requests(shared / "traces/azure2023_conv.parquet").requests
    np.testing.assert_allclose(azure.requests.arrival_s, table.arrival_s[: len(azure.requests)], atol=1e-5)
    np.testing.assert_array_equal(azure.requests.output_tokens, table.output_tokens[: len(azure.requests)])
    assert azure.epoch_seconds == pytest.approx(1_700_158_546.68)  # 2023-11-16 18:15:46.68 UTC
    mooncake = read_requests(shared / "traces/native/mooncake_conversation_trace.first1500.jsonl.gz")
    table = read_requests(shared / "traces/mooncake_conversation.parquet").requests
    np.testing.assert_array_equal(mooncake.requests.prompt_tokens, table.prompt_tokens[: len(mooncake.requests)])
    np.testing.assert_allclose(mooncake.requests.arrival_s, table.arrival_s[: len(mooncake.requests)])


@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
def test_our_layouts_as_csv(tmp_path: Path, ending: str) -> None:
    trace = read_requests(written(tmp_path, "t" + ending, REQUESTS + "2.5,10,3\n0.5,20,4\n"))
    assert trace.name == "t"
    assert trace.requests.arrival_s.tolist() == [0.5, 2.5]
    assert trace.requests.prompt_tokens.tolist() == [20, 10]
    bins = read(written(tmp_path, "b" + ending, BINS + "0,10,2,30,7\n20,10,1,5,5\n"))
    assert isinstance(bins, BinTrace)
    assert bins.duration_seconds == 30


def test_json_lines(tmp_path: Path) -> None:
    trace = read_requests(written(tmp_path, "t.jsonl", '{"timestamp": 1500, "input_length": 7, "output_length": 2}\n'))
    assert trace.requests.arrival_s.tolist() == [1.5]


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("t.csv", REQUESTS + "1,2,3\nx,2,3\n", "row 2, column arrival_s: 'x' is not a number"),
        ("t.csv", REQUESTS + "1,2,3\n2,-2,3\n", "row 2, column prompt_tokens: -2 is not a whole number of 0 or more"),
        ("t.csv", REQUESTS + "1,2,3.5\n", "row 1, column output_tokens: 3.5 is not a whole number"),
        ("t.csv", REQUESTS + "1,2,nan\n", "row 1, column output_tokens: nan is not"),
        ("t.csv", REQUESTS + "1,2,3\n1,2\n", "row 2: has 2 values, but the header has 3"),
        ("t.csv", REQUESTS, "has no rows"),
        ("t.csv", "", "is empty"),
        (
            "t.csv",
            "a,b\n1,2\n",
            "has no column for arrival, prompt_tokens or output_tokens; its columns are a, b; name them with --columns arrival=",
        ),
        ("t.csv", BINS + "0,10,1,1,1\n5,10,1,1,1\n", "row 2, column bin_start_s: starts before"),
        (
            "t.csv",
            AZURE + "soon,1,2\n",
            "row 1, column TIMESTAMP: 'soon' is not a time",
        ),
        ("t.jsonl", '{"timestamp": 1}\nno\n', "row 2: is not JSON"),
        ("t.jsonl", "1\n", "row 1: is not a JSON object"),
        ("t.jsonl", "[1]\n", "is a JSON array; write one object per line"),
        (
            "t.jsonl",
            '{"timestamp": 1, "input_length": null, "output_length": 2}\n',
            "row 1, column input_length: has no value",
        ),
        ("t.parquet", "no", "cannot be read"),
        ("t.csv", "arrival_s," + REQUESTS + "1,2,3,4\n", "column arrival_s: appears more than once"),
        ("t.csv", REQUESTS + "1,2,3\n1700000000,2,3\n", "row 2, column arrival_s: 1.7e+09 is more than 34,560,000"),
        ("t.csv", REQUESTS + "1,1e30,3\n", "row 1, column prompt_tokens: 1e+30 is more than 100,000,000"),
        ("t.csv", BINS + "0,0,1,1,1\n", "row 1, column bin_s: a bin cannot be 0 s wide"),
        ("t.csv", BINS + "0,9,1,1e30,1\n", "row 1, column prompt_tokens: 1e+30 is more than"),
        (
            "t.csv",
            AZURE + "2024-01-01,1,2\n2099-01-01,1,2\n",
            "row 2, column TIMESTAMP: lies more than 400 days after the earliest",
        ),
        (
            "t.csv",
            AZURE + "2024-01-01,1,2\n9999-01-01,1,2\n",
            "row 2, column TIMESTAMP: is not a time from 1970 to 2100",
        ),
        ("t.jsonl", "", "is empty"),
        ("t.jsonl", '{"timestamp":' * 100_000, "row 1: is nested too deeply"),
        (
            "t.jsonl",
            f'{{"timestamp": {10**400}, "input_length": 1, "output_length": 1}}',
            "row 1, column timestamp: inf is not a number of 0 or more",
        ),
        ("t.xml", "", "is not a known kind of trace file; its name must end in one of .parquet, .csv"),
    ],
)
def test_faults_are_placed(tmp_path: Path, name: str, text: str, fault: str) -> None:
    path = written(tmp_path, name, text)
    with pytest.raises(TraceError) as error:
        read(path)
    assert str(error.value).startswith(str(path))
    assert fault in str(error.value)


def test_a_missing_value_in_parquet_is_placed(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"arrival_s": [0.0, 1.0], "prompt_tokens": [1, None], "output_tokens": [1, 1]}), path)
    with pytest.raises(TraceError, match="row 2, column prompt_tokens: has no value"):
        read(path)


def test_a_missing_or_truncated_file(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"gone\.csv: cannot be read"):
        read(tmp_path / "gone.csv")
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(gzip.compress((REQUESTS + "1,2,3\n" * 100).encode())[:-12])
    with pytest.raises(TraceError, match="cannot be read"):
        read(path)
    whole = bytearray(gzip.compress((REQUESTS + "1,2,3\n" * 100).encode()))
    whole[12:14] = b"\xff\xff"  # inside the stream
    path.write_bytes(whole)
    with pytest.raises(TraceError, match=r"cut\.csv\.gz: cannot be read"):
        read(path)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(TraceError, match="is a folder"):
        read(tmp_path / "folder.csv")


def test_what_spreadsheets_add_to_a_header_is_no_part_of_a_name(tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", "\ufeffarrival_s, prompt_tokens, output_tokens\r\n1, 2, 3\r\n")
    assert read_requests(path).requests.prompt_tokens.tolist() == [2]


def test_times_may_name_their_zone(tmp_path: Path) -> None:
    rows = "2024-05-10 00:00:00.009930+00:00,1,2\n2024-05-10 02:00:10+02:00,1,2\n"
    trace = read_requests(written(tmp_path, "t.csv", AZURE + rows))
    assert trace.requests.arrival_s == pytest.approx([0.0, 9.99007], abs=1e-5)


# ---------------------------------------------------------------- Prometheus


def export(*series: tuple[str, str, list[tuple[float, str]]]) -> str:
    return matrix(*({"metric": {"__name__": name, "pod": pod}, "values": points} for name, pod, points in series))


def matrix(*result: object) -> str:
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}})


def counters(pod: str, points: list[tuple[float, str]]) -> list[tuple[str, str, list[tuple[float, str]]]]:
    names = ("request_success", "prompt_tokens", "generation_tokens")
    return [(f"vllm:{name}_total", pod, points) for name in names]


def test_increases_are_summed_over_pods_and_restarts(tmp_path: Path) -> None:
    old = counters("a", [(1000.0, "50"), (1060.0, "60"), (1120.0, "4"), (1180.0, "9")])  # restarted before 1120
    new = counters("b", [(1120.0, "3"), (1180.0, "5")])  # began before 1120
    trace = read(written(tmp_path, "t.json", export(*old, *new)))
    assert isinstance(trace, BinTrace)
    assert trace.epoch_seconds == 1000.0
    assert trace.start_s.tolist() == [0.0, 60.0, 120.0]
    assert trace.requests.tolist() == [10.0, 7.0, 7.0]


def test_points_in_any_order_are_the_same_counter(tmp_path: Path) -> None:
    points = [(120.0, "9"), (0.0, "0"), (60.0, "6")]
    trace = read(written(tmp_path, "t.json", export(*counters("a", points))))
    assert isinstance(trace, BinTrace)
    assert trace.requests.tolist() == [6.0, 3.0]


def test_what_prometheus_did_not_see_is_spread_or_where_it_is_long_a_gap(tmp_path: Path) -> None:
    points = [(0.0, "0"), (60.0, "6"), (120.0, "NaN"), (180.0, "8"), (240.0, "9"), (600.0, "609"), (660.0, "610")]
    trace = read(written(tmp_path, "t.json", export(*counters("a", points))))
    requests = trace.totals(0.0, 660.0, 60.0).requests
    assert requests[:4].tolist() == [6.0, 1.0, 1.0, 1.0]
    assert np.isnan(requests[4:10]).all()
    assert requests[10] == 1.0


IDENTICAL = {"engine": "0", "model_name": "m"}


def answer(*series: tuple[Mapping[str, str], list[tuple[float, float]]], **more: object) -> str:
    """Each series stands for one of each counter."""
    result = [
        {"metric": {"__name__": name} | IDENTICAL | dict(labels), "values": [[at, str(value)] for at, value in points]}
        for labels, points in series
        for name in COUNTERS
    ]
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}, **more})


def points(first: float = 0, last: float = 285, since: float = 0, step: float = 15) -> list[tuple[float, float]]:
    """50,000 requests at `since`, and 10 more in each 15 s."""
    times = np.arange(first, last + 1, step).tolist()
    return [(1000 + at, 50_000 + round((at - since) / 15 * 10)) for at in times]


def requests_of(tmp_path: Path, text: str, *pages: str) -> list[float]:
    first, *more = (written(tmp_path, f"page-{i}.json", page) for i, page in enumerate((text, *pages)))
    trace = read(first, *more)
    assert isinstance(trace, BinTrace)
    return [float(requests) for requests in trace.requests]


A, B = {"pod": "a", "job": "vllm"}, {"pod": "a", "job": "podmonitor/llm/vllm", "instance": "10.0.0.1:8000"}
LATE = [(at - 7.0, value - 5) for at, value in points(15)]  # the other of a pair reads 7 s earlier, as its clock has it
SKEWED = [(at + 15.0, value - 200) for at, value in points(150)]


@pytest.mark.parametrize(
    "pages",
    [
        pytest.param([answer((A, points()))], id="one scrape"),
        pytest.param([answer((A, points()), (B, points()))], id="two jobs"),
        pytest.param([answer((A, points(0, 135)), (B, points(150)))], id="a label that changes"),
        pytest.param([answer((A, points(0, 135)), (B, points(120)))], id="a label that changes, with both for a while"),
        pytest.param([answer((A, points()), (B, LATE))], id="a pair"),
        pytest.param([answer((A, points(0, 135))), answer((A, points(150)))], id="pages"),
        pytest.param([answer((A, points(150))), answer((A, points(0, 150)))], id="pages that touch, in another order"),
        pytest.param([answer((A, points())), answer((A, points()))], id="a page twice"),
        pytest.param([answer((A, points(0, 60) + points(225)))], id="a gap"),
        pytest.param([answer((A, points(0, 60) + points(225)), (B, points(30, 240)))], id="a gap that the other fills"),
        pytest.param([answer((A, [(at + 0.01 * (i % 3), v) for i, (at, v) in enumerate(points())]))], id="jitter"),
    ],
)
def test_one_pod_counts_once(tmp_path: Path, pages: list[str]) -> None:
    """10 requests in each of 19 steps, whatever series they came in."""
    assert requests_of(tmp_path, *pages) == pytest.approx([10.0] * 19)


def test_another_reading_of_a_counter_that_is_a_little_lower_is_no_restart(tmp_path: Path) -> None:
    assert sum(requests_of(tmp_path, answer((A, points(0, 135)), (B, SKEWED)))) <= 190.0
    zigzag = [(at, value - 15 * (i % 2)) for i, (at, value) in enumerate(points())]
    assert sum(requests_of(tmp_path, answer((A, zigzag)))) == pytest.approx(190.0, abs=20)


def test_engines_models_and_reasons_of_a_pod_are_summed(tmp_path: Path) -> None:
    other = {**A, "engine": "1"}, {**A, "model_name": "lora"}, {**A, "finished_reason": "abort"}
    found = requests_of(tmp_path, answer((A, points()), *((labels, points()) for labels in other)))
    assert found == [40.0] * 19


def test_a_pod_that_has_long_been_there_when_its_series_begins_is_not_new(tmp_path: Path) -> None:
    assert requests_of(tmp_path, answer((A, points()), ({"pod": "b"}, points(150)))) == [10.0] * 10 + [20.0] * 9


def test_a_pod_that_is_missing_for_long_while_others_are_seen_loses_nothing(tmp_path: Path) -> None:
    gone = points(0, 60, step=60) + points(600, 660, step=60)
    assert requests_of(tmp_path, answer((A, points(0, 660, step=60)), ({"pod": "b"}, gone))) == [80.0] * 11


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (answer(({}, points())), "row 1, column metric.pod: is missing; a sum over pods jumps when one starts or ends"),
        (answer((A, points()), ({"instance": "10.0.0.1:8000"}, points())), "with and without a pod"),
        (
            answer(({**A, "namespace": "x"}, points()), ({**A, "namespace": "y"}, points())),
            "holds pods of several namespaces, x, y; export one of them",
        ),
        (
            json.dumps([{"metric": {"__name__": COUNTERS[0], "pod": "a"}, "value": [0, "1"]}]),
            "row 1, column value: is of an instant query; export query_range",
        ),
    ],
)
def test_what_cannot_be_counted_once_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(TraceError, match=re.escape(fault)):
        read(written(tmp_path, "t.json", text))


@pytest.mark.parametrize(
    ("times", "fault"),
    [
        ([0.0, 1e-9, 2e-9], "has points less than 0.01 s apart; export with a longer step"),
        ([-5e9, 5e9], "has times before 1970, or over 400 days apart"),
        ([0.0, 500 * 86_400.0], "has times before 1970, or over 400 days apart"),
        ([7.0, 7.0], "has fewer than two points in time; export a longer range"),
    ],
)
def test_times_that_are_no_scrapes_are_refused(tmp_path: Path, times: list[float], fault: str) -> None:
    text = answer((A, [(at, 5.0 + i) for i, at in enumerate(times)]))
    with pytest.raises(TraceError, match=re.escape(fault)):
        read(written(tmp_path, "t.json", text))


def test_of_two_points_at_one_time_the_last_counts(tmp_path: Path) -> None:
    assert requests_of(tmp_path, answer((A, [(0, 1), (0, 2), (15, 2), (15, 9)]))) == [7.0]


def test_too_many_series_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "MOST_SERIES", 2)
    with pytest.raises(TraceError, match="holds more than 2 series; export a shorter range, or fewer pods"):
        read(written(tmp_path, "t.json", answer((A, points()))))


def test_requests_without_their_tokens_are_refused(tmp_path: Path) -> None:
    """They would be cheap traffic that nobody sent."""
    whole, half = json.loads(answer((A, points()))), json.loads(answer(({"pod": "b"}, points())))
    whole["data"]["result"] += half["data"]["result"][:2]
    with pytest.raises(TraceError, match="holds vllm:request_success_total of b, but no vllm:generation_tokens_total"):
        read(written(tmp_path, "t.json", json.dumps(whole)))


def test_without_kubernetes_the_address_stands_for_the_pod(tmp_path: Path) -> None:
    two = (({"instance": f"10.0.0.{i}:8000"}, points()) for i in (1, 2))
    assert requests_of(tmp_path, answer(*two)) == [20.0] * 19


def test_what_prometheus_warned_of_is_kept(tmp_path: Path) -> None:
    trace = read(written(tmp_path, "t.json", answer((A, points()), warnings=["store 10.0.0.7 is not available"])))
    assert trace.warnings == ("store 10.0.0.7 is not available",)


def test_only_the_pages_of_an_export_are_read_together(tmp_path: Path) -> None:
    table, export = written(tmp_path, "t.csv", REQUESTS + "1,2,3\n"), written(tmp_path, "t.json", answer((A, points())))
    for paths in ((table, export), (export, table)):
        with pytest.raises(TraceError, match=r"t\.csv: is a table; only the pages of a Prometheus export"):
            read(*paths)
    with pytest.raises(TraceError, match=r"gone\.json: cannot be read: No such file"):
        read(export, tmp_path / "gone.json")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "cannot be read"),
        ('{"status": "error"}', "column status: is not a successful answer"),
        ('{"status": "success", "data": {"resultType": "vector", "result": []}}', "is not a matrix"),
        (export(("vllm:num_requests_running", "a", [(0.0, "1")])), "row 1, column metric.__name__: 'vllm:num_requests"),
        (
            export(("", "a", [])).replace('"__name__": "", ', ""),
            "row 1, column metric.__name__: is missing; it should be one of",
        ),
        (export(*counters("a", [(0.0, "1"), (60.0, "x")])), "row 1, column values: [60.0, 'x'] is not"),
        (export(), "holds no series; check the namespace"),
        (export(*counters("a", [(0.0, "1"), (60.0, "2")])[:2]), "holds no values of vllm:generation_tokens_total"),
        (export(*counters("a", [(0.0, "1")])), "fewer than two points"),
        ('{"status": "error", "error": "parse error at 3"}', "but an error: parse error at 3"),
        ("[" * 100_000, "is nested too deeply"),
        (matrix(7), "row 1, column metric: is not a series"),
        (matrix({"metric": [], "values": []}), "row 1, column metric: is not a series"),
        (
            matrix({"metric": {"__name__": "vllm:prompt_tokens_total"}, "values": 5}),
            "row 1, column values: is not a list",
        ),
        (export(*counters("a", [(0.0, "1"), (60.0, "-2")])), "row 1, column values: [60.0, '-2'] is not"),
        (export(*counters("a", [(0.0, "1"), (60.0, "1e300")])), "row 1, column values: [60.0, '1e300'] is not"),
        (export(*counters("a", [(0.0, "1"), (60.0, "2"), (120.0, "3"), (1e13, "4")])), "export at most 1,000,000"),
    ],
)
def test_faults_of_an_export_are_placed(tmp_path: Path, text: str, fault: str) -> None:
    path = written(tmp_path, "t.json", text)
    with pytest.raises(TraceError) as error:
        read(path)
    assert str(error.value).startswith(str(path))
    assert fault in str(error.value)


# ---------------------------------------------------------------- columns


def test_a_long_name_of_a_column_takes_no_time(tmp_path: Path) -> None:
    path = written(
        tmp_path, "t.csv", f"{'_' * 100_000}," + REQUESTS + "x,1,2,3\n"
    )  # a minute, if it were searched whole
    assert len(read_requests(path).requests) == 1


def test_a_table_of_requests_may_count_them(tmp_path: Path) -> None:
    assert len(read_requests(written(tmp_path, "t.csv", "requests," + REQUESTS + "1,1,2,3\n")).requests) == 1


def test_the_columns_of_bins_can_be_named(tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", "minute,n,in,out,width\n60000,2,30,7,60000\n120000,1,5,5,60000\n")
    columns = {
        "bin_start_s": "minute",
        "bin_s": "width",
        "requests": "n",
        "prompt_tokens": "in",
        "output_tokens": "out",
    }
    trace = read(path, columns=columns, time_unit="ms")
    assert isinstance(trace, BinTrace)
    assert trace.start_s.tolist() == [60.0, 120.0]
    assert trace.width_s.tolist() == [60.0, 60.0]


def test_undated_times_start_on_the_day_of_the_first(tmp_path: Path) -> None:
    trace = read_requests(written(tmp_path, "t.csv", REQUESTS + f"{61 * 86_400 + 5},2,3\n{61 * 86_400 + 9},2,3\n"))
    assert trace.requests.arrival_s.tolist() == [5.0, 9.0]


def test_too_many_rows_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layouts, "MOST_ROWS", 2)
    with pytest.raises(TraceError, match="has more than 2 rows; cut it into parts, or sum it up in bins"):
        read(written(tmp_path, "t.csv", REQUESTS + "1,2,3\n" * 3))


@pytest.mark.parametrize(
    ("rows", "arrival_s"),
    [
        # A turn counts from the turn before it in the file, also where that one has a delay itself.
        ([("a", 1000, None), ("b", 5000, None), ("a", None, 500), ("b", None, 100), ("a", None, 1500)], [1.0, 1.5, 3.0, 5.0, 5.1]),
        ([("a", 1000, 300), ("a", 7000, 500)], [1.0, 7.0]),  # a time counts more than a delay
        ([("a", 0, None), (None, 3000, None)], [0.0, 3.0]),
    ],
)  # fmt: skip
def test_turns_follow_each_other(
    tmp_path: Path, rows: list[tuple[str | None, int | None, int | None]], arrival_s: list[float]
) -> None:
    text = "".join(turn(*row) for row in rows)
    assert read_requests(written(tmp_path, "t.jsonl", text)).requests.arrival_s.tolist() == arrival_s


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([("a", 0, None), ("b", None, 500)], "row 2, column timestamp: has no value, but is the first turn"),
        ([("a", 0, 1), ("a", None, None)], "row 2, column timestamp: has no value, and no delay after the turn before"),
        ([("a", 0, 1), (None, None, 1)], "row 2, column timestamp: has no value, but is the first turn"),
    ],
)
def test_a_turn_without_a_time_is_placed(
    tmp_path: Path, rows: list[tuple[str | None, int | None, int | None]], fault: str
) -> None:
    with pytest.raises(TraceError) as error:
        read(written(tmp_path, "t.jsonl", "".join(turn(*row) for row in rows)))
    assert fault in str(error.value)


def turn(session: str | None, time: int | None, delay: int | None) -> str:
    values = {"session_id": session, "timestamp": time, "delay": delay, "input_length": 5, "output_length": 2}
    return json.dumps({name: value for name, value in values.items() if value is not None}) + "\n"
