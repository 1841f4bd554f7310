"""Scrapes the vLLM pods directly: the fast path, which sees a queue within seconds.

Few pods are read together, at multiples of the interval, so that a replay can sample at the same moments. Many are spread over
the interval: asked together, the last of 5,000 would be read seconds late and everything else would wait for them. The pods of
one workload have the same turn, so that a decision between two ticks sees all of them.

A pod that hangs delays only its own samples, and a pod that fails keeps its last sample, which ages.
"""

import asyncio
import math
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import aiohttp
import structlog

from autoscaler.clock import Clock
from autoscaler.kube.objects import Key
from autoscaler.sources import vllm
from autoscaler.sources.errors import SourceError, SourceErrorKind
from autoscaler.sources.families import summed
from autoscaler.sources.fetch import PLAIN, get
from autoscaler.sources.slots import Pauses, Slots
from autoscaler.sources.transport import Transport
from autoscaler.telemetry.metrics import SOURCE_ERRORS
from policies.model import PodSample
from policies.series import ID, ORDINAL, SAFE

TOGETHER_PODS = 128  # that are read together, which takes 30 ms
TURNS = 64  # of an interval; a power of two, so that an interval of whole seconds is divided exactly
_GENERATED = re.compile(f"((-{SAFE}{{1,10}})?-{ID}|(-{ORDINAL})+)$")  # the end of a pod's name
MAX_BODY_BYTES = 1 << 20  # 20 times a real body
ACCEPT = "text/plain;version=0.0.4, application/openmetrics-text;q=0.5, */*;q=0.1"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a pod is scraped: its sample is the sum over the URLs. Without a transport, why there is none.

    A request is late that waited for longer than `late_after_seconds`; None where late ones are not counted.
    """

    urls: tuple[str, ...]
    transport: Transport | SourceError = PLAIN
    late_after_seconds: float | None = None


class Scraper:
    """Keeps the newest sample of each target pod.

    `interval_seconds` is scenario time, `timeout_seconds` is wall time.
    """

    def __init__(
        self, clock: Clock, interval_seconds: float = 2.0, timeout_seconds: float = 1.0, concurrency: int = 64
    ) -> None:
        self.latest: dict[Key, PodSample] = {}
        self.problems: dict[Key, SourceError] = {}  # pods whose last scrape failed
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._timeout_seconds = timeout_seconds
        self._slots = Slots(concurrency)
        self._pauses = Pauses(interval_seconds)
        self._addresses: dict[Key, Address] = {}
        self._turns: list[dict[Key, None]] = [{} for _ in range(TURNS)]
        self._reading: set[Key] = set()
        self._listeners: list[Callable[[Key], None]] = []

    def subscribe(self, listener: Callable[[Key], None]) -> None:
        """Call `listener` with the pod whenever a new sample of it is in `latest`."""
        self._listeners.append(listener)

    def targets(self, addresses: Mapping[Key, Address]) -> None:
        """Set which pods are scraped from the next round on. All others are forgotten."""
        self.retarget({pod: addresses.get(pod) for pod in self._addresses.keys() | addresses.keys()})

    def retarget(self, addresses: Mapping[Key, Address | None]) -> None:
        """Set where these pods are scraped from the next round on. None: no longer, and what is known of it is forgotten."""
        for pod, address in addresses.items():
            if self._addresses.get(pod) != address:
                self._pauses.forget(pod)
            if address is not None:
                if pod not in self._addresses:
                    self._turns[turn(pod)][pod] = None
                self._addresses[pod] = address
            else:
                self._turns[turn(pod)].pop(pod, None)
                for forgotten in (self._addresses, self.latest, self.problems):
                    forgotten.pop(pod, None)

    async def run(self) -> None:
        """Scrape until cancelled."""
        connector = aiohttp.TCPConnector(limit=0)  # the slots limit instead, outside a pod's deadline
        async with (
            aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session,
            asyncio.TaskGroup() as readers,
        ):
            done = self._reached()
            while True:
                # A turn that is missed is taken late, but no pod is read twice for the intervals that were missed.
                due = done + 1 if self._spread else (done // TURNS + 1) * TURNS
                await self._clock.sleep(due * self._interval_seconds / TURNS - self._clock.now())
                done, before = max(due, self._reached()), done  # a sleep may end slightly early
                now_seconds = self._clock.now()
                for pod in self._due(range(max(before, done - TURNS) + 1, done + 1)):
                    if pod not in self._reading and self._pauses.due(pod, now_seconds):
                        self._reading.add(pod)
                        readers.create_task(self._read(session, pod, self._addresses[pod]))

    @property
    def _spread(self) -> bool:
        return len(self._addresses) > TOGETHER_PODS

    def _reached(self) -> int:
        """The last turn that has begun, counted from the epoch."""
        return math.floor(self._clock.now() * TURNS / self._interval_seconds)

    def _due(self, turns: range) -> list[Key]:
        """The pods to be read in these turns, an interval at most."""
        if self._spread:
            return [pod for each in turns for pod in self._turns[each % TURNS]]
        return list(self._addresses) if any(each % TURNS == 0 for each in turns) else []

    async def _read(self, session: aiohttp.ClientSession, pod: Key, address: Address) -> None:
        try:
            # Those that fail wait apart, since each may hold its slot up to the time limit.
            async with self._slots.one((pod.namespace, pod in self.problems)):
                # The time of the request, not of the reading: a busy event loop reads late, and between two answers
                # read together everything would seem to arrive at once.
                asked_seconds = self._clock.now()
                bodies = await self._bodies(session, address)
                took_seconds = self._clock.now() - asked_seconds
            if took_seconds > self._interval_seconds:
                raise SourceError(
                    SourceErrorKind.TIMEOUT,
                    f"pod {pod} took {took_seconds:.1f} s to answer, longer than the scrape interval; its sample is dropped. If "
                    "this lasts, raise --scrape-interval-seconds",
                )
            sample = summed([vllm.parse(body, pod.name, asked_seconds, address.late_after_seconds) for body in bodies])
        except SourceError as error:
            self._failed(pod, address, _masked(error, address.transport))
        except Exception as error:  # noqa: BLE001 - a fault of ours, of any kind
            why = f"pod {pod}: its metrics could not be read ({type(error).__name__}): see Outrider's log"
            if pod not in self.problems:
                _log.exception("scrape.fault", pod=str(pod))
            self._failed(pod, address, SourceError(SourceErrorKind.BODY, why))
        else:
            if self._addresses.get(pod) == address:
                self.accept(pod, sample)
        finally:
            self._reading.discard(pod)

    async def _bodies(self, session: aiohttp.ClientSession, address: Address) -> list[bytes]:
        """The bodies of all ports, side by side. Raises `SourceError` if one fails: the sum would be too small."""
        if isinstance(address.transport, SourceError):
            raise address.transport
        asked = [
            get(
                session,
                url,
                timeout_seconds=self._timeout_seconds,
                max_bytes=MAX_BODY_BYTES,
                accept=ACCEPT,
                transport=address.transport,
            )
            for url in address.urls
        ]
        if len(asked) == 1:
            return [await asked[0]]  # of most pods, without a task of its own
        bodies: list[bytes] = []
        for answer in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(answer, BaseException):
                raise answer
            bodies.append(answer)
        return bodies

    def accept(self, pod: Key, sample: PodSample) -> None:
        """Keep a new sample of a pod."""
        self._pauses.forget(pod)
        if self.problems.pop(pod, None):
            _log.info("scrape.recovered", pod=str(pod))
        self.latest[pod] = sample
        for listener in self._listeners:
            listener(pod)

    def _failed(self, pod: Key, address: Address, error: SourceError) -> None:
        SOURCE_ERRORS.labels(source="vllm", kind=error.kind).inc()
        if self._addresses.get(pod) != address:
            return
        latest = self.latest.get(pod)
        # A decision waits for the queue of a pod that had load, and an engine that is starting refuses at once.
        loaded = latest is not None and (latest.running or 0.0) + (latest.waiting or 0.0) > 0.0
        brief = loaded or error.kind in (SourceErrorKind.CONNECTION, SourceErrorKind.STATUS)
        self._pauses.failed(pod, self._clock.now(), brief=brief)
        before = self.problems.get(pod)
        if before is None or before.kind != error.kind:  # else 30 lines a minute for one dead pod
            # An engine that is still starting refuses connections: not worth a warning.
            log = _log.warning if pod in self.latest else _log.debug
            log("scrape.failed", pod=str(pod), kind=error.kind, error=str(error))
        self.problems[pod] = error


def _masked(error: SourceError, transport: Transport | SourceError) -> SourceError:
    """An error that may show a line of the body, which may show the token."""
    return error if isinstance(transport, SourceError) else SourceError(error.kind, transport.masked(str(error)))


def turn(pod: Key) -> int:
    """When in the interval a pod is read where there are many: the same for all pods of a workload, by their names."""
    return zlib.crc32(f"{pod.namespace}/{_GENERATED.sub('', pod.name)}".encode()) % TURNS
