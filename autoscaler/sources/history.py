"""Reads a workload's history from Prometheus at start, so that a restart does not begin without any.

The library is synchronous and retries for ten seconds by itself, so it runs in a daemon thread without retries. A
thread cannot be cancelled: at the deadline it is abandoned, and the days that it has delivered are kept.
"""

import asyncio
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.util.retry import Retry

from autoscaler.sources.errors import SourceError, SourceErrorKind
from autoscaler.sources.fetch import excerpt
from autoscaler.sources.prometheus import warnings_of
from autoscaler.sources.session import session
from autoscaler.sources.transport import FileTransport, Transport
from autoscaler.telemetry.redact import redact
from crds.workload import Target
from policies.backfill import Past
from policies.series import (
    COUNTED_SECONDS,
    FINISHED,
    GENERATION_TOKENS,
    PROMPT_TOKENS,
    RUNNING,
    WAITING,
    counted_once,
    labels_of_pods,
    pods_pattern,
    scrape_interval_seconds,
    scrapes_query,
)

_DAY_SECONDS = 86_400
_SHORTEST_WINDOW_SECONDS = 60.0  # live demand is per minute, and smoother history would mislead the forecaster
_SCRAPES = 2.1  # in a window: two, the older of which may be a little late; a third would smooth


@dataclass(frozen=True, slots=True)
class ReadBack:
    """Points in order of time; there is none for a moment without data."""

    points: tuple[Past, ...] = field(repr=False)  # asyncio.run makes a text of its result, which took 50 ms
    warnings: tuple[str, ...] = ()
    problem: SourceError | None = None  # why older points are missing


@dataclass(frozen=True, slots=True)
class _Page:
    columns: tuple[dict[float, float], ...]  # of one day, one for each query: time -> value
    warnings: tuple[str, ...]


async def read(
    url: str,
    namespace: str,
    target: Target,
    now_seconds: float,
    *,
    days: int = 7,
    step_seconds: float = 60.0,
    timeout_seconds: float = 30.0,
    with_running: bool = True,
    transport: FileTransport | None = None,
) -> ReadBack:
    """Read the last `days` of the target's pods, newest day first. Never raises: see `problem`.

    `timeout_seconds` is wall time for the whole of it. Days that were read before a failure are returned. `with_running` is
    for who needs to know how many requests ran.
    """
    loop = asyncio.get_running_loop()
    inbox = asyncio.Queue[_Page | SourceError | None]()
    abandoned = threading.Event()
    end = math.floor(now_seconds / step_seconds) * step_seconds
    pods = labels_of_pods(namespace, pods_pattern(target.kind, target.name))

    def deliver(item: _Page | SourceError | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(inbox.put_nowait, item)

    def work() -> None:
        try:
            for day in range(days):
                last = end - day * _DAY_SECONDS
                first = last - _DAY_SECONDS + step_seconds
                if abandoned.is_set():
                    return
                deliver(
                    _page(
                        url,
                        (transport or FileTransport()).current(),
                        pods,
                        first,
                        last,
                        step_seconds=step_seconds,
                        with_running=with_running,
                        thread_timeout_seconds=2 * timeout_seconds,
                    )
                )
            deliver(None)
        except SourceError as error:
            deliver(error)

    threading.Thread(target=work, name="history", daemon=True).start()
    pages: list[_Page] = []
    problem = None
    try:
        async with asyncio.timeout(timeout_seconds):
            while isinstance(item := await inbox.get(), _Page):
                pages.append(item)
            problem = item
    except TimeoutError:
        problem = SourceError(
            SourceErrorKind.TIMEOUT,
            f"{redact(url)} did not return {days} days of history within {timeout_seconds:g} s; older demand is missing from "
            "the forecast",
        )
    finally:
        abandoned.set()
    return ReadBack(_points(pages), tuple(dict.fromkeys(text for page in pages for text in page.warnings)), problem)


def queries(pods: str, window_seconds: float) -> tuple[str, ...]:
    """The PromQL of each column of `Past`, in its order. `pods` are labels; rates cover `window_seconds`."""
    gauges = tuple(counted_once(family, f"{family}{{{pods}}}") for family in (RUNNING, WAITING))
    counters = (FINISHED, PROMPT_TOKENS, GENERATION_TOKENS)
    rates = tuple(counted_once(family, f"rate({family}{{{pods}}}[{window_seconds:.0f}s])") for family in counters)
    return tuple(f"sum({each})" for each in gauges + rates)


def window_seconds(scrapes: Mapping[float, float]) -> float:
    """How long a rate's window must be for two scrapes, by the answer of `scrapes_query`."""
    interval_seconds = scrape_interval_seconds(scrapes.values()) or 0.0
    return max(_SHORTEST_WINDOW_SECONDS, math.ceil(_SCRAPES * interval_seconds))


def _page(
    url: str,
    transport: Transport,
    pods: str,
    start: float,
    end: float,
    *,
    step_seconds: float,
    with_running: bool,
    thread_timeout_seconds: float,
) -> _Page:
    # `thread_timeout_seconds` only ends an abandoned thread; the event loop keeps the deadline.
    where = redact(url)
    warnings: list[str] = []
    # The library mounts an adapter of its own for the URL; the longer one wins.
    client_session = session(transport, f"{url.rstrip('/')}/api")
    client_session.hooks["response"].append(lambda response, **_: warnings.extend(_warnings(response)))
    span = {
        "start_time": datetime.fromtimestamp(start, UTC),
        "end_time": datetime.fromtimestamp(end, UTC),
        "step": f"{step_seconds:g}",
    }
    counted = {
        "start_time": datetime.fromtimestamp(end - _DAY_SECONDS, UTC),
        "end_time": span["end_time"],
        "step": f"{COUNTED_SECONDS:g}",
    }
    try:
        with PrometheusConnect(
            url.rstrip("/"), session=client_session, retry=Retry(total=0), timeout=thread_timeout_seconds
        ) as client:
            scrapes = _column(client.custom_query_range(scrapes_query(pods), **counted))
            promql = queries(pods, window_seconds(scrapes))
            wanted = promql if with_running else promql[1:]
            columns = tuple(_column(client.custom_query_range(query, **span)) for query in wanted)
    except requests.JSONDecodeError as error:
        raise SourceError(
            SourceErrorKind.BODY,
            f"{where} is not Prometheus: it answered with {excerpt(error.doc.encode(), transport)}",
        ) from None
    except requests.RequestException as error:
        raise SourceError(SourceErrorKind.CONNECTION, f"{where}: {redact(str(error))}") from error
    except PrometheusApiClientException as error:
        raise SourceError(SourceErrorKind.STATUS, f"{where}: {excerpt(str(error).encode(), transport)}") from error
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise SourceError(
            SourceErrorKind.BODY, f"{where}: its answer to query_range cannot be parsed: {error!r}"
        ) from error
    return _Page(columns if with_running else ({}, *columns), tuple(warnings))


def _warnings(response: requests.Response) -> list[str]:
    """The warnings, which the library drops. It reports a body that is not JSON itself."""
    if b'"warnings"' not in response.content:  # to parse a day twice takes as long as all else that is done with it
        return []
    try:
        answer = response.json()
    except ValueError:
        return []
    return warnings_of(answer.get("warnings")) if isinstance(answer, Mapping) else []


def _column(result: list[Any]) -> dict[float, float]:
    """Times and values of a sum, which is one series at most; NaN, infinite and negative values are omitted."""
    if len(result) > 1:
        raise ValueError(f"{len(result)} series instead of one")
    values = result[0]["values"] if result else ()
    return {
        seconds: value
        for at, text in values
        if 0.0 <= (value := float(text)) < math.inf and math.isfinite(seconds := float(at))
    }


def _points(pages: list[_Page]) -> tuple[Past, ...]:
    by_query: tuple[dict[float, float], ...] = tuple(
        {at: value for column in columns for at, value in column.items()}
        for columns in zip(*(page.columns for page in pages), strict=True)
    )
    times = sorted(set[float]().union(*by_query))
    return tuple(Past(at, *(column.get(at) for column in by_query)) for at in times)
