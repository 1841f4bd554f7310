"""A reader process: scrapes the pods that the controller gives it, and reports what it read: `python -m autoscaler.sources.reader`.

Its standard input is a socket, through which it hears from the controller and answers; it ends with the controller. Every
reader takes memory for all that is imported here, so this imports little.
"""

import asyncio
import os
import select
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import astuple, replace
from itertools import islice
from pathlib import Path
from weakref import WeakValueDictionary

from autoscaler.clock import Clock, ScenarioClock, WallClock
from autoscaler.kube.objects import Key
from autoscaler.sources.errors import SourceError, SourceErrorKind
from autoscaler.sources.messages import MOST_ROWS, Setup, Target, decode_targets, encode_report, frame, receive
from autoscaler.sources.scrape import Address, Scraper
from autoscaler.sources.transport import Transport
from autoscaler.telemetry.logs import configure
from autoscaler.telemetry.metrics import SOURCE_ERRORS

REPORT_SECONDS = 0.05  # wall time between two reports; there is one even where nothing is new, as a sign of life


class Reader:
    """A scraper that gets its targets from the controller and reports to it."""

    def __init__(self, scraper: Scraper) -> None:
        self._scraper = scraper
        self._numbers: dict[Key, int] = {}
        self._sampled: dict[Key, None] = {}  # since the last report
        self._reported: dict[Key, SourceError] = {}  # problems that the controller knows
        self._failures: Counter[str] = Counter()  # reported ones, by kind
        self._transports: WeakValueDictionary[tuple[object, ...], Transport] = WeakValueDictionary()
        scraper.subscribe(lambda pod: self._sampled.update({pod: None}))

    async def run(self, receiver: asyncio.StreamReader, sender: asyncio.StreamWriter) -> None:
        """Scrape and report until the controller ends, which raises IncompleteReadError or ConnectionError in a group."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._scraper.run())
            group.create_task(self._report(sender))
            while True:
                self.take(decode_targets(await receive(receiver)))

    async def _report(self, sender: asyncio.StreamWriter) -> None:
        wall = WallClock()
        while True:
            await wall.sleep(REPORT_SECONDS)
            sender.write(frame(self.report()))
            await sender.drain()  # while the controller is busy, newer samples take the place of older ones

    def take(self, targets: list[Target]) -> None:
        """Follow a change of the targets."""
        for each in targets:
            for known in (self._numbers, self._sampled, self._reported):  # of the pod of this name before
                known.pop(each.pod, None)
            if each.address is not None:
                self._numbers[each.pod] = each.number
        self._scraper.retarget({each.pod: each.address and self._shared(each.address) for each in targets})

    def _shared(self, address: Address) -> Address:
        """The address with a transport that other pods have already: each takes a TLS context of its own."""
        if isinstance(address.transport, SourceError):
            return address
        return replace(address, transport=self._transports.setdefault(astuple(address.transport), address.transport))

    def report(self) -> bytes:
        """What is new since the last report, up to the bounds of one."""
        samples = []
        for pod in tuple(islice(self._sampled, MOST_ROWS)):
            del self._sampled[pod]
            self._reported.pop(pod, None)  # for the controller, a sample ends a problem
            if pod in self._numbers and pod in self._scraper.latest:
                samples.append((self._numbers[pod], self._scraper.latest[pod]))
        return encode_report(samples, islice(self._new_problems(), MOST_ROWS), self._new_failures())

    def _new_problems(self) -> Iterator[tuple[int, SourceError]]:
        """Those that the controller does not know. A sample that waits for its report goes before."""
        for pod, problem in self._scraper.problems.items():
            before = self._reported.get(pod)
            if before is problem or pod in self._sampled or pod not in self._numbers:
                continue
            self._reported[pod] = problem
            if before is None or (before.kind, str(before)) != (problem.kind, str(problem)):
                yield self._numbers[pod], problem

    def _new_failures(self) -> dict[SourceErrorKind, int]:
        samples = (sample for metric in SOURCE_ERRORS.collect() for sample in metric.samples)
        counts = Counter({each.labels["kind"]: int(each.value) for each in samples if each.labels["source"] == "vllm"})
        found, self._failures = counts - self._failures, counts
        return {SourceErrorKind(kind): count for kind, count in found.items()}


async def main() -> None:
    """Read until the controller ends."""
    threading.Thread(target=_follow_the_controller, daemon=True).start()
    receiver, sender = await asyncio.open_unix_connection(sock=socket.socket(fileno=os.dup(0)))
    try:
        setup = Setup.decoded(await receive(receiver))
        configure(setup.log_level)
        clock: Clock = ScenarioClock(Path(setup.clock_file)) if setup.clock_file else WallClock(setup.now_seconds)
        await Reader(Scraper(clock, setup.interval_seconds)).run(receiver, sender)
    except* (asyncio.IncompleteReadError, ConnectionError):
        pass  # the controller has ended


def _follow_the_controller() -> None:
    """End when the controller's end of the socket closes, as it does when that is killed, however busy the event loop is."""
    hang_up = select.poll()
    hang_up.register(0, 0)  # a hang-up is always reported
    hang_up.poll()
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
