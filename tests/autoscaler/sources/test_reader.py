"""What a reader process does with its targets, and what it reports."""

import gc

from autoscaler.kube.objects import Key
from autoscaler.sources.errors import SourceError, SourceErrorKind
from autoscaler.sources.messages import MOST_ROWS, Report, Target, decode_report, decode_targets, encode_targets
from autoscaler.sources.reader import Reader
from autoscaler.sources.scrape import Address, Scraper
from autoscaler.sources.transport import Transport
from autoscaler.telemetry.metrics import SOURCE_ERRORS
from policies.model import PodSample
from tests.support.fake_clock import FakeClock

A, B = Key("ns", "a"), Key("ns", "b")
AT = Address(("http://127.0.0.1:9/metrics",))
ELSEWHERE = Address(("http://127.0.0.1:8/metrics",))
PODS = {1: A, 2: B}


class Side:
    """A reader, and what the controller would read of it."""

    def __init__(self) -> None:
        self.scraper = Scraper(FakeClock())
        self.reader = Reader(self.scraper)
        self.reader.take([Target(A, 1, AT), Target(B, 2, AT)])
        self.reader.report()

    def report(self) -> Report:
        return decode_report(self.reader.report(), PODS)

    def fails(self, pod: Key, why: str) -> None:
        self.scraper.problems[pod] = SourceError(SourceErrorKind.BODY, why)

    def problems(self) -> dict[Key, str]:
        return {pod: str(problem) for pod, problem in self.report().problems}


def sample(pod: Key, at_seconds: float) -> PodSample:
    return PodSample(pod.name, at_seconds, None, running=1.0)


def test_the_newest_sample_is_reported_once() -> None:
    side = Side()
    side.scraper.accept(A, sample(A, 1.0))
    side.scraper.accept(A, sample(A, 2.0))
    assert list(side.report().samples) == [(A, sample(A, 2.0))]
    assert side.report() == Report([], [], {})


def test_a_problem_is_reported_when_it_is_new_and_after_a_sample_that_was_between() -> None:
    side = Side()
    side.fails(A, "no body")
    assert side.problems() == {A: "no body"}
    side.fails(A, "no body")
    assert side.problems() == {}
    side.fails(A, "no such body")
    assert side.problems() == {A: "no such body"}
    side.scraper.accept(A, sample(A, 1.0))
    side.fails(A, "no such body")
    report = side.report()
    assert (len(report.samples), len(report.problems)) == (1, 1)


def test_failures_are_counted_once() -> None:
    side = Side()
    SOURCE_ERRORS.labels(source="vllm", kind="body").inc(2)
    assert side.report().failures == {SourceErrorKind.BODY: 2}
    assert side.report().failures == {}


def test_what_was_read_at_an_address_of_before_is_not_reported_as_of_the_next_one() -> None:
    side = Side()
    side.scraper.accept(A, sample(A, 1.0))
    side.fails(B, "no body")
    side.report()
    side.scraper.accept(A, sample(A, 2.0))
    side.reader.take([Target(A, 1, ELSEWHERE), Target(B, 2, ELSEWHERE)])
    assert side.report().samples == []
    side.fails(B, "no body")
    side.scraper.accept(A, sample(A, 3.0))
    assert list(side.report().samples) == [(A, sample(A, 3.0))]


def test_what_is_no_longer_scraped_is_not_reported() -> None:
    side = Side()
    side.scraper.accept(A, sample(A, 1.0))
    side.fails(B, "no body")
    side.reader.take([Target(A, 3, None), Target(B, 4, None)])
    assert side.report() == Report([], [], {})
    assert not side.scraper.latest


def test_a_report_is_bounded_and_the_rest_comes_later_oldest_first() -> None:
    side = Side()
    many = {number: Key("ns", f"{number}") for number in range(10, 10 + 2 * MOST_ROWS)}
    side.reader.take([Target(pod, number, AT) for number, pod in many.items()])
    for pod in many.values():
        side.scraper.accept(pod, sample(pod, 1.0))
    found = [list(decode_report(side.reader.report(), many).samples) for _ in range(3)]
    assert [len(each) for each in found] == [MOST_ROWS, MOST_ROWS, 0]
    assert [pod for pod, _ in found[0]] == list(many.values())[:MOST_ROWS]
    for pod in many.values():
        side.fails(pod, "x")
    assert [len(decode_report(side.reader.report(), many).problems) for _ in range(3)] == [MOST_ROWS, MOST_ROWS, 0]


def test_pods_share_a_transport_and_its_tls_context_over_messages() -> None:
    side = Side()
    for number, pod in PODS.items():
        body = encode_targets([Target(pod, number + 10, Address(AT.urls, Transport(skip_verify=True)))])
        side.reader.take(decode_targets(body))
    first, second = (side.scraper._addresses[pod].transport for pod in (A, B))
    assert first is second
    del first, second
    side.reader.take([Target(A, 21, None), Target(B, 22, None)])
    gc.collect()
    assert list(side.reader._transports.values()) == [AT.transport]
