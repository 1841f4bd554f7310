"""Instant queries to Prometheus, for the pods that cannot be scraped directly.

Prometheus has a value with an age for a pod, or nothing: an empty answer, NaN, a stale value, several series for one
pod and warnings are all handled here, and none of them looks like an idle pod.
"""

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import aiohttp
import structlog

from autoscaler.clock import Clock
from autoscaler.sources.errors import SourceError, SourceErrorKind
from autoscaler.sources.families import FAMILIES, STARTED, MetricSeries, assemble
from autoscaler.sources.fetch import excerpt, get
from autoscaler.sources.transport import FileTransport
from autoscaler.telemetry.metrics import SOURCE_ERRORS
from autoscaler.telemetry.redact import redact
from policies.model import PodSample
from policies.series import SLEEP_STATE, identity

MAX_BODY_BYTES = 4 << 20  # read in 0.2 s: 30 pods of 16 engines take 2.4 MB
LOOKBACK_SECONDS = 120  # two scrapes a minute apart; by default a value that ended 5 min ago counts as new
_PODS_PER_QUERY_CHARS = 1_000  # 30 pods; percent-encoded this also stays below the 8 kB that servers accept as a URL
MOST_WARNINGS = 10  # one for each store that does not answer
_REMEMBERED_PODS = 10_000
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of one reading. A pod that Prometheus does not know has no sample."""

    samples: dict[str, PodSample]
    warnings: tuple[str, ...] = ()
    problem: SourceError | None = None


class Prometheus:
    """Reads vLLM's metrics from the Prometheus at `url`. `timeout_seconds` is wall time, per query."""

    def __init__(
        self,
        url: str,
        session: aiohttp.ClientSession,
        clock: Clock,
        timeout_seconds: float = 5.0,
        transport: FileTransport | None = None,
    ) -> None:
        self.unanswered: SourceError | None = None
        """Why it has never answered since the start; None once it has, and before it was asked."""
        self._has_answered = False
        self._transport = transport or FileTransport()
        self._url = url.rstrip("/") + "/api/v1/query"
        self._session = session
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._before: dict[tuple[str, str], PodSample] = {}
        self._problem_kinds: dict[str, SourceErrorKind | None] = {}

    @property
    def has_answered(self) -> bool:
        """Whether it has answered a query since the start."""
        return self._has_answered

    async def samples(self, namespace: str, pods: Iterable[str]) -> dict[str, PodSample]:
        """The samples of these pods as far as Prometheus has them. Failures are logged and counted, never raised."""
        answer = await self.read(namespace, pods)
        kind, text = _problem(answer)
        before, self._problem_kinds[namespace] = self._problem_kinds.get(namespace), kind
        if kind is not None:
            SOURCE_ERRORS.labels(source="prometheus", kind=kind).inc()
        if kind is not None and kind is not before:  # log a change, not every reading
            _log.warning("prometheus.failed", namespace=namespace, kind=kind, error=text)
        elif kind is None and before is not None:
            _log.info("prometheus.recovered", namespace=namespace)
        self._has_answered = self._has_answered or answer.problem is None
        self.unanswered = None if self._has_answered else answer.problem
        return answer.samples

    def answers(self, namespace: str) -> bool:
        """Whether it answered when the samples of a namespace were read last, be it in part."""
        return self._problem_kinds.get(namespace) in (None, SourceErrorKind.PARTIAL)

    async def read(self, namespace: str, pods: Iterable[str]) -> Answer:
        """Read these pods. Stops at the first query that fails and keeps what earlier queries returned.

        Where Prometheus warns that its answer may be incomplete, sums may be too small: the counters are dropped, and
        without them the sample cannot lower replicas.
        """
        samples: dict[str, PodSample] = {}
        warnings: list[str] = []
        for names in _chunks(sorted(set(pods))):
            query = instant_query(namespace, names)
            try:
                result, warned = await self._query(query)
                found = _samples(result, frozenset(names), self._clock.now())
            except SourceError as problem:
                return Answer(samples, tuple(warnings), problem)
            warnings += warned
            for pod, sample in found.items():
                samples[pod] = self._aged(namespace, _gauges_only(sample) if warned else sample)
        return Answer(samples, tuple(dict.fromkeys(warnings)))

    def _aged(self, namespace: str, sample: PodSample) -> PodSample:
        """The previous sample where a busy pod's numbers are all unchanged: it was not scraped since.

        An instant query dates every value with the time of the query. Taken as new, the unchanged counters of a 30 s
        scrape interval would look like a workload without arrivals at every other tick.
        """
        before = self._before.pop((namespace, sample.pod), None)
        busy = sample.running or sample.waiting
        if before and busy and replace(sample, at_seconds=before.at_seconds) == before:
            sample = before
        self._before[namespace, sample.pod] = sample
        while len(self._before) > _REMEMBERED_PODS:
            del self._before[next(iter(self._before))]  # the one not read for the longest
        return sample

    async def _query(self, query: str) -> tuple[list[Any], list[str]]:
        params = {"query": query, "lookback_delta": f"{LOOKBACK_SECONDS}s"}
        transport = self._transport.current()
        body = await get(
            self._session,
            self._url,
            timeout_seconds=self._timeout_seconds,
            max_bytes=MAX_BODY_BYTES,
            params=params,
            transport=transport,
        )
        try:
            answer = json.loads(body)
            if answer["status"] != "success":
                why = f"Prometheus refused the query {query}: {answer.get('error')!s:.400}"
                raise SourceError(SourceErrorKind.QUERY, why)
            if answer["data"]["resultType"] != "vector":
                raise SourceError(
                    SourceErrorKind.BODY,
                    f"Prometheus answered with a {answer['data']['resultType']} instead of a vector",
                )
            return list(answer["data"]["result"]), warnings_of(answer.get("warnings"))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            where = redact(self._url)
            raise SourceError(
                SourceErrorKind.BODY, f"{where} is not Prometheus: it answered with {excerpt(body, transport)}"
            ) from None


def warnings_of(found: Any) -> list[str]:  # noqa: ANN401 - of an answer it may be anything
    """The first few of an answer's warnings, each at most 400 characters long: they are logged."""
    return [f"{warning!s:.400}" for warning in islice(found or (), MOST_WARNINGS)]


def _problem(answer: Answer) -> tuple[SourceErrorKind | None, str]:
    if answer.problem:
        return answer.problem.kind, str(answer.problem)
    if answer.warnings:
        return SourceErrorKind.PARTIAL, "; ".join(answer.warnings)
    return None, ""


def instant_query(namespace: str, pods: Iterable[str]) -> str:
    """The PromQL that selects every needed series of these pods."""
    names = "|".join(FAMILIES)
    # Of the characters allowed in a pod's name, only the dot is special in a regular expression.
    which = "|".join(pod.replace(".", r"\\.") for pod in pods)
    return f'{{__name__=~"{names}",namespace="{namespace}",pod=~"{which}"}}'


def _chunks(pods: list[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    for pod in pods:
        if chunk and sum(map(len, chunk)) + len(chunk) + len(pod) > _PODS_PER_QUERY_CHARS:
            yield chunk
            chunk = []
        chunk.append(pod)
    if chunk:
        yield chunk


def _samples(result: list[Any], pods: frozenset[str], now_seconds: float) -> dict[str, PodSample]:
    by_pod: dict[str, list[MetricSeries]] = {}
    instances: dict[str, set[str | None]] = {}
    started: list[tuple[str, str | None, float]] = []
    oldest: dict[str, float] = {}
    for element in result:
        try:
            labels, (at_seconds, text) = element["metric"], element["value"]
            family, pod, at_seconds, value = labels["__name__"], labels["pod"], float(at_seconds), float(text)
            if not math.isfinite(at_seconds):
                raise ValueError(at_seconds)
        except (KeyError, TypeError, ValueError):
            raise SourceError(
                SourceErrorKind.BODY, f"Prometheus answered with an element that is not a sample: {element!r:.200}"
            ) from None
        if pod not in pods or family not in FAMILIES:
            continue
        if family == STARTED:
            started.append((pod, labels.get("instance"), value))
            continue
        if family == SLEEP_STATE and labels.get("sleep_state") != "awake":
            continue
        by_pod.setdefault(pod, []).append(MetricSeries(family, labels.get("engine"), identity(labels), value))
        instances.setdefault(pod, set()).add(labels.get("instance"))
        oldest[pod] = min(oldest.get(pod, now_seconds), at_seconds)
    for pod, instance, value in started:
        if instance in instances.get(pod, ()):  # not a sidecar's
            by_pod[pod].append(MetricSeries(STARTED, None, None, value))
    return {pod: assemble(pod, oldest[pod], series) for pod, series in by_pod.items()}


def _gauges_only(sample: PodSample) -> PodSample:
    return PodSample(
        sample.pod, sample.at_seconds, started_seconds=None, running=sample.running, waiting=sample.waiting
    )
