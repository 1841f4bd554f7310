"""Scrapes the vLLM pods directly: the fast path, which sees a queue within seconds.

Rounds start at multiples of the interval, so that a replay can sample at the same moments. A pod that hangs delays only
its own samples, and a pod that fails keeps its last sample, which ages.
"""

import asyncio
import math
from collections.abc import Callable, Mapping

import aiohttp
import structlog

from autoscaler.clock import Clock
from autoscaler.kube.objects import Key
from autoscaler.sources import vllm
from autoscaler.sources.errors import SourceError, SourceErrorKind
from autoscaler.sources.fetch import get
from autoscaler.sources.slots import Pauses, Slots
from autoscaler.telemetry.metrics import SOURCE_ERRORS
from policies.model import PodSample

MAX_BODY_BYTES = 1 << 20  # 20 times a real body
_log = structlog.get_logger(__name__)


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
        self._urls: dict[Key, str] = {}
        self._reading: set[Key] = set()
        self._listeners: list[Callable[[Key], None]] = []

    def subscribe(self, listener: Callable[[Key], None]) -> None:
        """Call `listener` with the pod whenever a new sample of it is in `latest`."""
        self._listeners.append(listener)

    def targets(self, urls: Mapping[Key, str]) -> None:
        """Set which pods are scraped from the next round on: pod -> URL. All others are forgotten."""
        self.retarget({pod: urls.get(pod) for pod in self._urls.keys() | urls.keys()})

    def retarget(self, urls: Mapping[Key, str | None]) -> None:
        """Set where these pods are scraped from the next round on. None: no longer, and what is known of it is forgotten."""
        for pod, url in urls.items():
            if url is not None:
                self._urls[pod] = url
            else:
                for forgotten in (self._urls, self.latest, self.problems):
                    forgotten.pop(pod, None)
                self._pauses.forget(pod)

    async def run(self) -> None:
        """Scrape until cancelled."""
        connector = aiohttp.TCPConnector(limit=0)  # the slots limit instead, outside a pod's deadline
        async with (
            aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session,
            asyncio.TaskGroup() as readers,
        ):
            due = next_multiple(self._clock.now(), self._interval_seconds)
            while True:
                await self._clock.sleep(due - self._clock.now())
                now_seconds = self._clock.now()
                for pod, url in self._urls.items():
                    if pod not in self._reading and self._pauses.due(pod, now_seconds):
                        self._reading.add(pod)
                        readers.create_task(self._read(session, pod, url))
                # A sleep may end slightly early, and the next multiple would then be this one again.
                due = max(due + self._interval_seconds, next_multiple(self._clock.now(), self._interval_seconds))

    async def _read(self, session: aiohttp.ClientSession, pod: Key, url: str) -> None:
        try:
            async with self._slots.one(pod.namespace):
                # The time of the request, not of the reading: a busy event loop reads late, and between two answers
                # read together everything would seem to arrive at once.
                asked_seconds = self._clock.now()
                body = await get(session, url, timeout_seconds=self._timeout_seconds, max_bytes=MAX_BODY_BYTES)
                took_seconds = self._clock.now() - asked_seconds
            if took_seconds > self._interval_seconds:
                raise SourceError(
                    SourceErrorKind.TIMEOUT,
                    f"pod {pod} took {took_seconds:.1f} s to answer, longer than the scrape interval; its sample is dropped. If "
                    "this lasts, raise --scrape-interval-seconds",
                )
            sample = vllm.parse(body, pod.name, asked_seconds)
        except SourceError as error:
            SOURCE_ERRORS.labels(source="vllm", kind=error.kind).inc()
            if self._urls.get(pod) == url:
                self._failed(pod, error)
        else:
            if self._urls.get(pod) == url:
                self.accept(pod, sample)
        finally:
            self._reading.discard(pod)

    def accept(self, pod: Key, sample: PodSample) -> None:
        """Keep a new sample of a pod."""
        self._pauses.forget(pod)
        if self.problems.pop(pod, None):
            _log.info("scrape.recovered", pod=str(pod))
        self.latest[pod] = sample
        for listener in self._listeners:
            listener(pod)

    def _failed(self, pod: Key, error: SourceError) -> None:
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


def next_multiple(now_seconds: float, interval_seconds: float) -> float:
    """The first multiple of the interval after now."""
    return (math.floor(now_seconds / interval_seconds) + 1) * interval_seconds
