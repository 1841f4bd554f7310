"""A scraper that shares its pods among reader processes where one core is not enough.

A pod goes to a reader by its name, so that every reader has pods of every namespace and each shares its slots among all
tenants. Samples stay here: while a pod moves to another reader, or a reader is replaced, its last one ages.
"""

import asyncio
import os
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from math import ceil
from pathlib import Path

import structlog

from autoscaler.clock import Clock
from autoscaler.kube.objects import Key
from autoscaler.sources.messages import Report, Setup
from autoscaler.sources.reader_process import ReaderProcess
from autoscaler.sources.scrape import Address, Scraper
from autoscaler.telemetry.metrics import SOURCE_ERRORS

OWN_SCRAPES_PER_SECOND = 500.0  # that the controller makes itself beside its decisions: 1,000 pods every 2 s
READER_SCRAPES_PER_SECOND = 1_250.0
SETTLE_SECONDS = 2.0  # wall time; at the start the pods come policy by policy

_log = structlog.get_logger(__name__)


class Readers(Scraper):
    """A scraper with `processes` readers, or by the number of pods as many as are needed; it scrapes itself where that is 0."""

    def __init__(
        self,
        clock: Clock,
        interval_seconds: float,
        processes: int | None = None,
        *,
        clock_file: Path | None = None,
        log_level: str = "info",
    ) -> None:
        super().__init__(clock, interval_seconds)
        self._processes = processes
        self._clock_file = clock_file
        self._log_level = log_level
        self._readers: list[ReaderProcess] = []
        self._has_changed = asyncio.Event()

    def retarget(self, addresses: Mapping[Key, Address | None]) -> None:
        """As of `Scraper`."""
        changed = {pod: address for pod, address in addresses.items() if self._addresses.get(pod) != address}
        super().retarget(addresses)
        if self._readers:
            self._send([(pod, place(pod, len(self._readers)), address) for pod, address in changed.items()])
        self._has_changed.set()

    async def run(self) -> None:
        """Scrape until cancelled. Readers are added when there are pods enough for them, and stay."""
        async with asyncio.TaskGroup() as group:
            own = None if self._processes else group.create_task(super().run())
            while True:
                for reader in self._added():
                    group.create_task(reader.run())
                if own is not None and self._readers:
                    own.cancel()
                    own = None
                await self._has_changed.wait()
                await self._clock.sleep(SETTLE_SECONDS)
                self._has_changed.clear()

    def _added(self) -> list[ReaderProcess]:
        """Readers that are needed in addition, with their share of the pods."""
        before, wanted = len(self._readers), self._processes
        if wanted is None:
            wanted = needed(len(self._addresses) / self._interval_seconds, os.cpu_count() or 1)
        added = [ReaderProcess(self._setup, self._take) for _ in range(wanted - before)]
        if added:
            self._readers += added
            moves = list[tuple[Key, int, Address | None]]()
            for pod, address in self._addresses.items():
                at, to = place(pod, before) if before else None, place(pod, wanted)
                if at != to:
                    moves += [] if at is None else [(pod, at, None)]
                    moves.append((pod, to, address))
            self._send(moves)
            _log.info("readers.started", processes=wanted, pods=len(self._addresses))
        return added

    def _send(self, changes: Iterable[tuple[Key, int, Address | None]]) -> None:
        """Change what the readers of these places scrape."""
        shares: dict[int, dict[Key, Address | None]] = {}
        for pod, at, address in changes:
            shares.setdefault(at, {})[pod] = address
        for at, share in shares.items():
            self._readers[at].retarget(share)

    def _setup(self) -> Setup:
        clock_file = None if self._clock_file is None else str(self._clock_file.absolute())
        return Setup(self._clock.now(), self._interval_seconds, clock_file, self._log_level)

    def _take(self, report: Report) -> None:
        for pod, sample in report.samples:
            self.problems.pop(pod, None)  # `accept` would log what the reader has logged
            self.accept(pod, sample)
        self.problems.update(report.problems)
        for kind, failures in report.failures.items():
            SOURCE_ERRORS.labels(source="vllm", kind=kind).inc(failures)


def needed(scrapes_per_second: float, cores: int) -> int:
    """How many readers so many scrapes need."""
    if scrapes_per_second <= OWN_SCRAPES_PER_SECOND:
        return 0
    return min(cores, ceil(scrapes_per_second / READER_SCRAPES_PER_SECOND))


def place(pod: Key, readers: int) -> int:
    """The reader that a pod belongs to. Where one more comes, pods go to that one only."""
    return max(range(readers), key=lambda reader: blake2b(f"{pod}/{reader}".encode(), digest_size=8).digest())
