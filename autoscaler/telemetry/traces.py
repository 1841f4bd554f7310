"""Each start of a replica as an OpenTelemetry trace, where an endpoint is set and the extra `otel` is installed.

Spans go to a queue of 2,048, which a thread of the library sends from: one that does not fit is dropped, and nobody waits. The
standard OTEL_ variables say where to and how; without an endpoint nothing of the library is imported.
"""

import logging
import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

import structlog

from policies.starts import Start

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
CLOSE_SECONDS = 2.0  # for what is still in the queue at the end
_NANOSECONDS = 1_000_000_000

_log = structlog.get_logger(__name__)


class Traces:
    """Sends starts to an exporter. Raises ImportError without the extra `otel`, and ValueError for a variable it cannot use."""

    def __init__(self, exporter: "SpanExporter | None" = None) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        logging.getLogger("opentelemetry.util.re").addFilter(_without_header)
        named = Resource({"service.name": "outrider"}).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=named, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("outrider.starts")

    def start(self, policy: str, of: Start, image: str, now_seconds: float) -> None:
        """Queue a start that has ended. Its trace begins at the request; one that never served ends now, as an error."""
        from opentelemetry.trace import Status, StatusCode, set_span_in_context

        namespace = policy.partition("/")[0]
        known = {"k8s.node.name": of.node, "container.image.name": image}
        about = {name: text for name, text in known.items() if text}
        whole = about | {"outrider.policy": policy, "k8s.namespace.name": namespace, "k8s.pod.name": of.pod}
        root = self._tracer.start_span("start", attributes=whole, start_time=_nanoseconds(of.requested_seconds))
        inside = set_span_in_context(root)
        for each in of.spans:
            begin, end = _nanoseconds(each.begin_seconds), _nanoseconds(each.begin_seconds + each.seconds)
            path = {"outrider.path": each.path} if each.path else {}
            self._tracer.start_span(each.part.value, inside, attributes=about | path, start_time=begin).end(end)
        if of.serving_seconds is None:
            root.set_status(Status(StatusCode.ERROR, "the replica did not come to serve"))
        root.end(_nanoseconds(now_seconds if of.serving_seconds is None else of.serving_seconds))

    def close(self) -> None:
        """Send what is queued, for at most CLOSE_SECONDS."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)


def traces(environment: Mapping[str, str] = os.environ) -> Traces | None:
    """Traces to the endpoint that the environment names; None without one, and where they are off or not possible."""
    off = (
        environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or environment.get("OTEL_TRACES_EXPORTER") == "none"
    )
    if off or not any(environment.get(name) for name in ENDPOINTS):
        return None
    try:
        return Traces()
    except ImportError:
        _log.warning("traces.off", why="the extra otel is not installed: run pip install 'outrider[otel]'")
    except Exception as error:  # noqa: BLE001 - whatever the library makes of its variables
        _log.warning("traces.off", why=f"an OTEL_ variable cannot be used: {error}")
    return None


def _without_header(record: logging.LogRecord) -> bool:
    """Leave the text of an invalid header out of the library's warning: it may hold a token."""
    record.args = ("(not shown)",)
    return True


def _nanoseconds(seconds: float) -> int:
    return int(seconds * _NANOSECONDS)
