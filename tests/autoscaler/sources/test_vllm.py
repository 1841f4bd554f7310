"""The parser, on bodies of a real server and on bodies that no server should send."""

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from autoscaler.sources.errors import SourceError, SourceErrorKind
from autoscaler.sources.families import FAMILIES, STARTED, SUMMED, summed
from autoscaler.sources.vllm import parse
from policies.model import PodSample
from policies.series import SLEEP_STATE
from tests.support.fake_vllm import body

RECORDED = ("idle", "busy", "kvbound", "api2")


@pytest.fixture(params=RECORDED)
def recorded(shared: Path, request: pytest.FixtureRequest) -> bytes:
    return (shared / "reference" / "vllm" / f"metrics_{request.param}.txt").read_bytes()


def test_recorded_bodies_agree_with_the_library_parser(recorded: bytes) -> None:
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(recorded.decode()):
        for series in family.samples:
            if series.name in FAMILIES and series.labels.get("sleep_state", "awake") == "awake":
                sums[series.name] = sums.get(series.name, 0) + series.value

    sample = parse(recorded, "pod", 12.5)

    assert {field: getattr(sample, field) for field in SUMMED} == {
        field: sums.get(family) for field, family in SUMMED.items()
    }
    assert sample.started_seconds == sums.get(STARTED)
    assert sample.asleep == (sums[SLEEP_STATE] == 0)
    assert (sample.pod, sample.at_seconds) == ("pod", 12.5)


def test_a_busy_server(shared: Path) -> None:
    text = (shared / "reference" / "vllm" / "metrics_busy.txt").read_text()
    assert parse(text, "pod", 0.0) == PodSample(
        pod="pod",
        at_seconds=0.0,
        started_seconds=1795252651.77,
        running=4,
        waiting=45,
        finished_total=11,
        rejected_total=0,
        prompt_tokens_total=270,
        cached_prompt_tokens_total=0,
        generation_tokens_total=8113,
        request_prompt_tokens_sum=216,
        request_prompt_tokens_count=11,
        request_generation_tokens_sum=6649,
        request_generation_tokens_count=11,
        first_tokens_total=15,
        engines=1,
        asleep=False,
    )


@pytest.mark.parametrize(
    ("name", "late_after_seconds", "late"), [("busy", 0.5, 7), ("busy", 1.0, 6), ("busy", 5.0, 0), ("api2", 5.0, 41)]
)
def test_requests_that_waited_longer_are_late(shared: Path, name: str, late_after_seconds: float, late: int) -> None:
    text = (shared / "reference" / "vllm" / f"metrics_{name}.txt").read_bytes()
    whole = parse(text, "pod", 0.0, late_after_seconds)
    assert (whole.queue_times_total, whole.late_total) == (whole.finished_total, late)
    assert replace(whole, queue_times_total=None, late_total=None) == parse(text, "pod", 0.0)


BUCKET = b'vllm:request_queue_time_seconds_bucket{engine="%d",le="5.0",model_name="m"} %s'
COUNT = b'vllm:request_queue_time_seconds_count{engine="%d",model_name="m"} %s'


@pytest.mark.parametrize(
    ("lines", "late"),
    [
        ([COUNT % (0, b"9"), BUCKET % (0, b"7")], 2),
        ([COUNT % (0, b"9"), BUCKET.replace(b"5.0", b"5") % (0, b"7")], 2),
        ([COUNT % (0, b"9"), b'vllm:request_queue_time_seconds_bucket{model_name="m", le = "5.0", engine="0"} 7'], 2),
        ([COUNT % (0, b"9"), BUCKET.replace(b"5.0", b"50.0") % (0, b"7")], None),
        ([COUNT % (0, b"9"), BUCKET % (0, b"10")], None),
        ([COUNT % (0, b"9"), BUCKET % (0, b"NaN")], None),
        ([COUNT % (0, b"9")], None),
        ([BUCKET % (0, b"7")], None),
        ([COUNT % (0, b"9"), COUNT % (1, b"5"), BUCKET % (0, b"7"), BUCKET % (1, b"4")], 3),
        ([COUNT % (0, b"9"), COUNT % (1, b"5"), BUCKET % (0, b"7")], None),
    ],
)
def test_queue_times_are_read_whole_or_not_at_all(lines: list[bytes], late: int | None) -> None:
    sample = parse(b"\n".join(lines) + b"\n", "pod", 0.0, 5.0)
    assert sample.late_total == late
    assert (sample.queue_times_total is None) == (late is None)


def test_two_api_servers_give_no_start(shared: Path) -> None:
    assert parse((shared / "reference" / "vllm" / "metrics_api2.txt").read_bytes(), "p", 0.0).started_seconds is None


def test_a_body_cut_anywhere_never_shows_less_than_there_is(shared: Path) -> None:
    whole = (shared / "reference" / "vllm" / "metrics_busy.txt").read_bytes()
    truth = parse(whole, "pod", 0.0)
    caught = 0
    for end in range(0, len(whole), 37):
        with contextlib.suppress(SourceError):
            sample = parse(whole[:end], "pod", 0.0)
            caught += 1
            for field in SUMMED:
                assert getattr(sample, field) in {None, getattr(truth, field)}, (field, end)
    assert caught  # some cuts fall on the end of a line


@pytest.mark.parametrize("engines", [1, 2, 8])
def test_engines_are_summed(engines: int) -> None:
    sample = parse(body(running=3, waiting=2, engines=engines), "pod", 0.0)
    assert sample.engines == engines
    assert (sample.running, sample.waiting, sample.finished_total) == (3 * engines, 2 * engines, 10 * engines)


def test_an_engine_that_one_family_misses_leaves_it_unknown() -> None:
    lines = body(running=3, engines=2).splitlines(keepends=True)
    without = b"".join(line for line in lines if not line.startswith(b'vllm:num_requests_running{engine="1"'))
    sample = parse(without, "pod", 0.0)
    assert sample.running is None
    assert sample.waiting == 0


def test_absent_gauges_are_unknown() -> None:
    lines = body().splitlines(keepends=True)
    sample = parse(b"".join(line for line in lines if b"num_requests" not in line), "pod", 0.0)
    assert (sample.running, sample.waiting, sample.finished_total) == (None, None, 10)


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "-3.0"])
def test_a_value_that_is_no_count_is_unknown(value: str) -> None:
    text = body(running=3, engines=2).replace(
        b'num_requests_running{engine="1",model_name="m"} 3.0',
        b'num_requests_running{engine="1",model_name="m"} ' + value.encode(),
    )
    sample = parse(text, "pod", 0.0)
    assert sample.running is None
    assert sample.waiting == 0


def test_a_sum_that_no_number_holds_is_unknown() -> None:
    text = body(running=3, engines=2).replace(b" 3.0\n", b" 1.7e308\n")
    sample = parse(text, "pod", 0.0)
    assert (sample.running, sample.waiting) == (None, 0.0)


def test_asleep_only_if_every_engine_sleeps() -> None:
    asleep = body(engines=2, awake=0)
    one_awake = asleep.replace(
        b'engine="1",model_name="m",sleep_state="awake"} 0.0', b'engine="1",model_name="m",sleep_state="awake"} 1.0'
    )
    assert parse(asleep, "pod", 0.0).asleep
    assert not parse(one_awake, "pod", 0.0).asleep
    assert not parse(b'vllm:num_requests_running{engine="0"} 1\n', "pod", 0.0).asleep


def test_a_series_that_appears_twice_counts_once() -> None:
    once = body(running=3)
    assert parse(once + once, "pod", 0.0) == parse(once, "pod", 0.0)


def test_a_pod_of_many_engines_is_read() -> None:
    """64 data-parallel ranks behind one port: four times what one node has GPUs for."""
    assert parse(body(engines=64, running=2), "pod", 0.0).running == 128


@pytest.mark.parametrize(
    "line",
    [
        b"vllm:num_requests_running 5",
        b'vllm:num_requests_running{model_name="m"} 5',
        b'vllm:num_requests_running{engine="0",model_name="a } b, engine=\\"7\\""} 5.0',
        b'vllm:num_requests_running{engine="0"}\t5e0  1700000000000',
        b'vllm:num_requests_running{engine="0"} 5\r',
        b'vllm:num_requests_running {engine="a\\"b"} 5',
        b'vllm:num_requests_running{engine="0",model_name="\xff\xfe"} 5',
        b'vllm:num_requests_running{ engine = "0" , model_name="m" } 5',
        b'vllm:num_requests_running{engine="0"} 5 1700000000.5',
        b'vllm:num_requests_running{engine="0"} 5 # {trace_id="4bf92f"} 1.0 1700000000.5',
        b'vllm:num_requests_running{engine="0"} 5.0 1700000000 # {} 1.0',
        b'vllm:num_requests_running{engine="0",model_name="# {a=\\"b\\"} 1"} 5',
    ],
)
def test_odd_lines_that_are_right(line: bytes) -> None:
    assert parse(b"# HELP x y\n" + line + b"\n", "pod", 0.0).running == 5


def test_openmetrics_ends_with_a_mark_and_gives_counters_without_their_time_of_creation() -> None:
    text = (
        b"# TYPE vllm:request_success counter\n"
        b'vllm:request_success_total{engine="0",finished_reason="stop"} 17.0 # {trace_id="4b"} 1.0 1700000000.5\n'
        b'vllm:request_success_created{engine="0",finished_reason="stop"} 1.7e9\n'
        b"# EOF"
    )
    assert parse(text, "p", 0.0) == parse(text + b"\n", "p", 0.0)
    assert parse(text, "p", 0.0).finished_total == 17
    with pytest.raises(SourceError, match="truncated"):
        parse(text[:-1], "p", 0.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "pod p: /metrics is empty"),
        (b"\n\n", "pod p: /metrics is empty"),
        (b"<!DOCTYPE html><html></html>\n", "pod p: /metrics is an HTML page"),
        (body().decode().encode("utf-16"), "contains no vLLM metrics"),
        (b"\x00\xff" * 5000, "/metrics of 10000 bytes contains no vLLM metrics"),
        (
            b"process_start_time_seconds 1\n",
            "no vLLM metrics; check spec.metrics, or exclude a pod that runs no engine",
        ),
        (b"# %s\n" % (b"x" * 197) * 20_000, "/metrics of 4000000 bytes contains no vLLM metrics"),
        (b"# x\n" * 10**6, "pod p: /metrics has 1000001 lines, more than the 60000 that are read"),
        (body(engines=200), "pod p: /metrics has more than 2000 series of the needed families; check for a label"),
        (body() + b"vllm:num_requests_running 1\n" * 2_000, "more than 2000 series of the needed families"),
        (body() + b"vllm:engine_sleep_state 1\n" * 2_000, "more than 2000 series of the needed families"),
        (body() + b'vllm:num_requests_running{a="%s"} 1\n' % (b"x" * 5_000), "is longer than 4096 bytes"),
        (body() + b"vllm:num_requests_running " + b"9" * 5_000 + b"\n", "is longer than 4096 bytes"),
        (
            b"# a\nvllm:num_requests_waiting four\n",
            "pod p: /metrics line 2 is not a sample: 'vllm:num_requests_waiting",
        ),
        (b'# a\n# b\nvllm:num_requests_waiting{engine="0" 4\n', "line 3 is not a sample"),
        (b'vllm:num_requests_waiting{engine="0"}\n', "line 1 is not a sample"),
        (b"vllm:num_requests_waiting 4\nvllm:num_requests_running 1", "truncated in line 2"),
    ],
)
def test_bad_bodies_say_which_pod_and_where(text: bytes, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse(text, "p", 0.0)
    assert message in str(caught.value)
    assert caught.value.kind is SourceErrorKind.BODY
    assert len(str(caught.value)) < 300


def test_the_ports_of_a_pod_are_summed_and_a_field_that_one_lacks_is_unknown() -> None:
    one, other = (parse(body(running=running), "p", 5.0) for running in (3, 4))
    both = summed([one, other])
    assert (both.running, both.finished_total, both.engines, both.started_seconds) == (7, 20, 2, one.started_seconds)
    assert summed([one, replace(other, running=None)]).running is None
    assert summed([one, replace(other, prompt_tokens_total=1.7e308), replace(other, prompt_tokens_total=1.7e308)]) == (
        replace(summed([one, other, other]), prompt_tokens_total=None)
    )
    assert [
        summed([replace(one, asleep=a), replace(other, asleep=b)]).asleep for a, b in ((True, True), (True, False))
    ] == [True, False]


def test_a_port_whose_process_started_again_leaves_the_start_unknown() -> None:
    """Else the older counters of the other port would count as growth since that start."""
    one = parse(body(), "p", 5.0)
    assert one.started_seconds is not None
    started = [one.started_seconds + later for later in (0.0, 59.0, 61.0)]
    assert summed([one, replace(one, started_seconds=started[1])]).started_seconds == started[1]
    assert summed([one, replace(one, started_seconds=started[2])]).started_seconds is None
    assert summed([one, replace(one, started_seconds=None)]).started_seconds is None
