import logging
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.testing import capture_logs

from autoscaler.telemetry import traces as module
from autoscaler.telemetry.traces import ENDPOINTS, Traces, traces
from policies.starts import Part, Span, Start

SERVED = Start(
    "chat-0",
    "n1",
    1000.0,
    1300.0,
    (Span(Part.NODE, 1000.0, 1062.0), Span(Part.IMAGE, 1062.0, 1290.0, "pulled"), Span(Part.GPU, 1070.0, 1069.0)),
)


def exported(of: Start, now_seconds: float = 1310.0) -> dict[str, Any]:
    """The spans by their names."""
    exporter = InMemorySpanExporter()
    sent = Traces(exporter)
    sent.start("ns/chat", of, "vllm:v1", now_seconds)
    sent.close()
    return {span.name: span for span in exporter.get_finished_spans()}


def test_a_start_is_a_trace_with_a_span_for_each_part() -> None:
    spans = exported(SERVED)
    root, image = spans["start"], spans["image"]
    assert spans.keys() == {"start", "node", "image", "gpu"}
    assert {span.context.trace_id for span in spans.values()} == {root.context.trace_id}
    assert all(span.parent.span_id == root.context.span_id for name, span in spans.items() if name != "start")
    assert (root.start_time, root.end_time, root.status.is_ok) == (1000 * 10**9, 1300 * 10**9, True)
    assert dict(root.attributes) == {
        "outrider.policy": "ns/chat",
        "k8s.namespace.name": "ns",
        "k8s.pod.name": "chat-0",
        "k8s.node.name": "n1",
        "container.image.name": "vllm:v1",
    }
    assert dict(image.attributes) == {
        "k8s.node.name": "n1",
        "container.image.name": "vllm:v1",
        "outrider.path": "pulled",
    }
    assert root.resource.attributes["service.name"] == "outrider"
    assert spans["gpu"].end_time == spans["gpu"].start_time


def test_a_start_that_never_served_is_an_error() -> None:
    root = exported(Start("chat-0", "", 1000.0, None))["start"]
    assert root.end_time == 1310 * 10**9
    assert not root.status.is_ok
    assert "k8s.node.name" not in root.attributes


def test_an_endpoint_that_does_not_answer_delays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stuck(SpanExporter):
        def __init__(self) -> None:
            self.answers = threading.Event()

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            self.answers.wait()
            return SpanExportResult.SUCCESS

    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.01)
    exporter = Stuck()
    sent = Traces(exporter)
    for _ in range(3000):
        sent.start("ns/chat", SERVED, "vllm:v1", 1310.0)
    sent.close()
    exporter.answers.set()


@pytest.mark.parametrize(
    "more",
    [{}, {"OTEL_SDK_DISABLED": "TRUE", ENDPOINTS[0]: "http://x"}, {"OTEL_TRACES_EXPORTER": "none", ENDPOINTS[1]: "x"}],
)
def test_without_an_endpoint_there_are_none(more: dict[str, str]) -> None:
    with capture_logs() as logs:
        assert traces(more) is None
    assert not logs


@pytest.mark.parametrize(("broken", "why"), [(True, "pip install 'outrider[otel]'"), (False, "cannot be used")])
def test_what_keeps_traces_off_is_logged(monkeypatch: pytest.MonkeyPatch, broken: bool, why: str) -> None:
    if broken:
        monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many")
    with capture_logs() as logs:
        assert traces({ENDPOINTS[1]: "http://localhost:4318"}) is None
    [line] = logs
    assert why in line["why"]


def test_a_header_that_is_invalid_is_not_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization: Bearer s3cret")
    with caplog.at_level(logging.DEBUG):
        found = traces({ENDPOINTS[1]: "http://localhost:4318"})
    assert found is not None
    found.close()
    assert "Header format invalid" in caplog.text
    assert "s3cret" not in caplog.text


def test_nothing_of_the_library_is_imported_without_an_endpoint() -> None:
    code = (
        "import sys, autoscaler.app; from autoscaler.telemetry.traces import traces; traces({});"
        "assert not [name for name in sys.modules if 'opentelemetry' in name]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
