"""Keeps one reader process: starts it, sends it its targets, takes its reports, and replaces it when it fails.

Meanwhile the samples of its pods age, which may hold or raise a count and never lowers one.
"""

import asyncio
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from itertools import count, islice
from typing import NamedTuple

import structlog

from autoscaler.clock import WallClock, stopwatch_seconds
from autoscaler.kube.objects import Key
from autoscaler.sources.messages import (
    LONGEST_REPORT_BYTES,
    Report,
    Setup,
    Target,
    decode_report,
    encode_targets,
    frame,
    receive,
)
from autoscaler.sources.scrape import Address
from autoscaler.telemetry.metrics import READER_FAULTS

COMMAND = (sys.executable, "-P", "-m", "autoscaler.sources.reader")
MOST_TARGETS = 100  # in a message, since each may have 250 kB of certificates
START_SECONDS = 30.0  # wall time until the first report; on an idle core it takes 0.5 s
SILENT_SECONDS = 5.0  # wall time between two reports, which otherwise come every 0.05 s
CHECK_SECONDS = 1.0  # between two looks at whether there was one
SOUND_SECONDS = 60.0  # after which a failure is not taken for a repeated one
FIRST_PAUSE_SECONDS, MOST_PAUSE_SECONDS = 0.5, 30.0  # before the next one starts; it doubles

_log = structlog.get_logger(__name__)


class FaultKind(StrEnum):
    """Why a reader was replaced: the label `reason` of `outrider_reader_faults_total`."""

    START = "start"
    ENDED = "ended"
    SILENT = "silent"
    REPORT = "report"


class Fault(NamedTuple):
    """Why a reader has to be replaced, and as a sentence."""

    kind: FaultKind
    why: str


class ReaderProcess:
    """One reader, whose reports go to `take`. `setup` says how it is to scrape, as of the moment of its start."""

    def __init__(self, setup: Callable[[], Setup], take: Callable[[Report], None]) -> None:
        self.process: Process | None = None  # the last one
        self._setup = setup
        self._take = take
        self._numbers = count()
        self._targets: dict[Key, Target] = {}
        self._pods: dict[int, Key] = {}  # by the target's number
        self._unsent: dict[Key, Target] = {}
        self._has_unsent = asyncio.Event()
        self._has_reported = False  # since the last check

    def retarget(self, addresses: Mapping[Key, Address | None]) -> None:
        """As of `Scraper`. What is read at an address of before is no longer taken."""
        for pod, address in addresses.items():
            if before := self._targets.pop(pod, None):
                del self._pods[before.number]
            target = Target(pod, next(self._numbers), address)
            if address is not None:
                self._targets[pod], self._pods[target.number] = target, pod
            self._unsent[pod] = target
        self._has_unsent.set()

    async def run(self) -> None:
        """Keep a reader running until cancelled."""
        wall, pause_seconds = WallClock(), FIRST_PAUSE_SECONDS
        while True:
            started_seconds = stopwatch_seconds()
            fault = await self._live()
            READER_FAULTS.labels(reason=fault.kind).inc()
            if stopwatch_seconds() - started_seconds > SOUND_SECONDS:
                pause_seconds = FIRST_PAUSE_SECONDS
            _log.warning(
                "reader.failed",
                error=fault.why,
                pods=len(self._targets),
                instead=f"starting another in {pause_seconds:g} s; until it reads, the last samples of its pods age",
            )
            await wall.sleep(pause_seconds)
            pause_seconds = min(MOST_PAUSE_SECONDS, 2.0 * pause_seconds)

    async def _live(self) -> Fault:
        """One process from its start to its fault. It ends with this call, however that ends."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                try:
                    # A process group of its own, so that Ctrl-C in a terminal reaches the controller alone.
                    self.process = process = await asyncio.create_subprocess_exec(
                        *COMMAND, stdin=theirs.fileno(), stdout=DEVNULL, process_group=0
                    )
                except OSError as error:
                    return Fault(FaultKind.START, f"a reader process cannot be started: {error.strerror}")
            try:
                return await self._follow(ours)
            finally:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    async def _follow(self, ours: socket.socket) -> Fault:
        receiver, sender = await asyncio.open_unix_connection(sock=ours)
        sender.write(frame(self._setup().encoded()))
        self._unsent = dict(self._targets)
        self._has_unsent.set()
        self._has_reported = False
        sending, listening = asyncio.create_task(self._send(sender)), asyncio.create_task(self._listen(receiver))
        try:
            left_seconds = START_SECONDS
            while left_seconds > 0:
                # In short turns: where this process was held up itself, one turn passes and the reports are there.
                await asyncio.wait((listening,), timeout=CHECK_SECONDS)
                if listening.done():
                    return listening.result()
                left_seconds = SILENT_SECONDS if self._has_reported else left_seconds - CHECK_SECONDS
                self._has_reported = False
            return Fault(FaultKind.SILENT, "a reader process has not reported in time; it hangs, or needs more CPU")
        finally:
            sending.cancel()
            listening.cancel()
            sender.transport.abort()
            await asyncio.gather(sending, listening, return_exceptions=True)

    async def _send(self, sender: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):  # `_listen` sees the end too
            while True:
                await self._has_unsent.wait()
                self._has_unsent.clear()
                while self._unsent:
                    some = [self._unsent.pop(pod) for pod in tuple(islice(self._unsent, MOST_TARGETS))]
                    sender.write(frame(encode_targets(some)))
                    await sender.drain()

    async def _listen(self, receiver: asyncio.StreamReader) -> Fault:
        while True:
            try:
                report = decode_report(await receive(receiver, LONGEST_REPORT_BYTES), self._pods)
            except (asyncio.IncompleteReadError, ConnectionError):
                return Fault(FaultKind.ENDED, "a reader process ended; if that lasts, it may need more memory")
            except ValueError as error:
                return Fault(FaultKind.REPORT, f"a reader process sent {error}")
            self._has_reported = True
            self._take(report)
