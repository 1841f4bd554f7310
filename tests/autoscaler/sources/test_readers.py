"""Readers in processes of their own: how pods are shared among them, and what becomes of one that fails."""

import asyncio
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping

import pytest
from structlog.testing import capture_logs

from autoscaler.clock import WallClock
from autoscaler.kube.objects import Key
from autoscaler.sources import reader_process, readers
from autoscaler.sources.errors import SourceError, SourceErrorKind
from autoscaler.sources.messages import Report, Setup
from autoscaler.sources.reader_process import COMMAND, FaultKind, ReaderProcess
from autoscaler.sources.readers import Readers, needed, place
from autoscaler.sources.scrape import Address
from autoscaler.telemetry.metrics import READER_FAULTS, SOURCE_ERRORS
from policies.model import PodSample
from tests.autoscaler.sources.scraping import running, until
from tests.support.fake_clock import FakeClock
from tests.support.fake_vllm import fake_vllm

A = Key("ns", "a")
PODS = [Key(f"ns-{number % 7}", f"pod-{number}") for number in range(1_000)]
PYTHON = (sys.executable, "-I", "-S", "-c")


class FakeReader:
    """Keeps what it is to scrape; scrapes nothing."""

    def __init__(self, setup: Callable[[], Setup], take: Callable[[Report], None]) -> None:
        self.setup, self.take = setup, take
        self.addresses: dict[Key, Address] = {}
        self.runs = False

    def retarget(self, addresses: Mapping[Key, Address | None]) -> None:
        for pod, address in addresses.items():
            self.addresses.pop(pod, None)
            if address is not None:
                self.addresses[pod] = address

    async def run(self) -> None:
        self.runs = True
        try:
            await asyncio.Event().wait()
        finally:
            self.runs = False


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> list[FakeReader]:
    made: list[FakeReader] = []

    def make(setup: Callable[[], Setup], take: Callable[[Report], None]) -> FakeReader:
        made.append(FakeReader(setup, take))
        return made[-1]

    monkeypatch.setattr(readers, "ReaderProcess", make)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    return made


def addresses(*pods: Key) -> dict[Key, Address]:
    return {pod: Address((f"http://127.0.0.1:9/{pod.name}",)) for pod in pods}


def test_every_reader_has_its_share_of_every_namespace() -> None:
    shares = Counter((pod.namespace, place(pod, 4)) for pod in PODS)
    assert len(shares) == 7 * 4
    assert min(shares.values()) > 20
    totals = Counter(place(pod, 4) for pod in PODS)
    assert max(totals.values()) < 300


def test_pods_move_to_a_new_reader_only() -> None:
    moved = [place(pod, 4) for pod in PODS if place(pod, 4) != place(pod, 3)]
    assert set(moved) == {3}


@pytest.mark.parametrize(
    ("scrapes_per_second", "readers"), [(0, 0), (500, 0), (501, 1), (1_250, 1), (2_500, 2), (100_000, 8)]
)
def test_there_are_as_many_as_are_needed(scrapes_per_second: float, readers: int) -> None:
    assert needed(scrapes_per_second, 8) == readers


async def test_readers_come_with_the_pods_and_share_them(fakes: list[FakeReader]) -> None:
    clock = FakeClock()
    scraper = Readers(clock, 0.25)
    scraper.targets(addresses(*PODS[:100]))
    async with running(scraper):
        await clock.advance(3.0)
        assert not fakes
        scraper.accept(PODS[0], PodSample("pod-0", 1.0, None))
        scraper.targets(addresses(*PODS[:200]))
        await clock.advance(3.0)
        assert [set(each.addresses) for each in fakes] == [set(PODS[:200])]
        assert scraper.latest[PODS[0]].at_seconds == 1.0
        scraper.targets(addresses(*PODS))
        await clock.advance(3.0)
        assert len(fakes) == 4
        assert all(each.runs for each in fakes)
        assert sorted(pod for each in fakes for pod in each.addresses) == sorted(PODS)
        assert all(pod in fakes[place(pod, 4)].addresses for pod in PODS)
        scraper.targets(addresses(*PODS[:50]))
        await clock.advance(3.0)
        assert sorted(pod for each in fakes for pod in each.addresses) == sorted(PODS[:50])
    assert not any(each.runs for each in fakes)


async def test_a_number_of_readers_that_was_set_is_there_from_the_start(fakes: list[FakeReader]) -> None:
    clock = FakeClock()
    async with running(Readers(clock, 2.0, 2)):
        await clock.advance(0.0)
        assert [each.runs for each in fakes] == [True, True]


async def test_with_no_readers_the_controller_scrapes_itself(
    fakes: list[FakeReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "OWN_SCRAPES_PER_SECOND", 0.0)
    clock = FakeClock()
    async with fake_vllm() as vllm:
        scraper = Readers(clock, 2.0, 0)
        scraper.targets(vllm.addresses("a"))
        async with running(scraper):
            await clock.advance(2.0)
            await until(lambda: A in scraper.latest)
    assert not fakes


async def test_a_report_is_as_a_scrape_of_its_own(fakes: list[FakeReader]) -> None:
    clock = FakeClock()
    scraper, seen = Readers(clock, 2.0, 1), list[Key]()
    scraper.subscribe(seen.append)
    scraper.targets(addresses(A, PODS[0]))
    failures = SOURCE_ERRORS.labels(source="vllm", kind="timeout")._value
    before = failures.get()
    async with running(scraper):
        await clock.advance(0.0)
        late = SourceError(SourceErrorKind.TIMEOUT, "late")
        fakes[0].take(Report([(A, PodSample("a", 1.0, None))], [(A, late)], {SourceErrorKind.TIMEOUT: 3}))
        assert (scraper.latest[A].at_seconds, scraper.problems, seen) == (1.0, {A: late}, [A])
        assert failures.get() - before == 3
        with capture_logs() as lines:
            fakes[0].take(Report([(A, PodSample("a", 2.0, None))], [], {}))
        assert (scraper.latest[A].at_seconds, scraper.problems, lines) == (2.0, {}, [])
        scraper.targets({})
        assert not scraper.latest


async def test_a_reader_that_is_killed_is_replaced_and_its_samples_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two starts of a process take 0.5 s each; it stays in the default run as the one test of a real reader."""
    monkeypatch.setattr(reader_process, "FIRST_PAUSE_SECONDS", 0.0)
    async with fake_vllm() as vllm:
        scraper = Readers(WallClock(), 0.05, 1)
        scraper.targets(vllm.addresses("a"))
        async with running(scraper):
            await until(lambda: A in scraper.latest, 60)
            first = scraper._readers[0].process
            assert first is not None
            first.kill()
            await until(lambda: scraper._readers[0].process is not first, 60)
            last = scraper.latest[A]
            await until(lambda: scraper.latest[A].at_seconds > last.at_seconds, 60)
            second = scraper._readers[0].process
        assert second is not None
        assert second.returncode is not None


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (("/no/such/program",), FaultKind.START),
        ((*PYTHON, "pass"), FaultKind.ENDED),
        ((*PYTHON, "print(0)"), FaultKind.ENDED),
        ((*PYTHON, r"import os; os.write(0, b'\1\0\0\0{'); os.read(0, 1); os.read(0, 1 << 20)"), FaultKind.REPORT),
        (
            (*PYTHON, r"import os; os.write(0, b'\xff\xff\xff\xff'); [os.read(0, 1 << 20) for _ in '12']"),
            FaultKind.REPORT,
        ),
        ((*PYTHON, "import time; time.sleep(60)"), FaultKind.SILENT),
    ],
)
async def test_a_reader_that_fails_is_replaced_and_counted(
    command: tuple[str, ...], kind: FaultKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("COMMAND", command), ("START_SECONDS", 0.05), ("CHECK_SECONDS", 0.01)):
        monkeypatch.setattr(reader_process, name, value)
    if kind is not FaultKind.SILENT:
        monkeypatch.setattr(reader_process, "START_SECONDS", 30.0)
    count = READER_FAULTS.labels(reason=kind)._value
    before = count.get()
    reader = ReaderProcess(lambda: Setup(0.0, 2.0, None, "info"), lambda _: None)
    reader.retarget(addresses(*PODS))
    with capture_logs() as lines:
        task = asyncio.create_task(reader.run())
        await until(lambda: count.get() > before, 60)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert lines[0]["event"] == "reader.failed"
    assert reader.process is None or reader.process.returncode is not None


def test_a_reader_ends_with_the_controller() -> None:
    """Also where the controller was killed and could end nothing."""
    ours, theirs = socket.socketpair()
    with theirs:
        reader = subprocess.Popen(COMMAND, stdin=theirs.fileno())
    ours.close()
    assert reader.wait(timeout=60) == 0
