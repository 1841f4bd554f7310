"""Log lines: whole JSON, from us and from libraries, without secrets."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from autoscaler.telemetry import logs


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_json_lines_of_ours_and_of_libraries() -> None:
    out = io.StringIO()
    logs.configure("info", out)
    structlog.get_logger("autoscaler.control.loop").info("decided", policy="ns/a", replicas=3, reasons=["Hold"])
    logging.getLogger("some.library").warning("call to %s failed", "http://me:pa55@host")
    first, second = lines(out)
    assert {key: first[key] for key in ("event", "policy", "replicas", "reasons", "level", "logger")} == {
        "event": "decided",
        "policy": "ns/a",
        "replicas": 3,
        "reasons": ["Hold"],
        "level": "info",
        "logger": "autoscaler.control.loop",
    }
    assert first["timestamp"].endswith("Z")
    assert second["event"] == "call to http://***@host failed"


def test_secrets_in_values_and_in_tracebacks() -> None:
    out = io.StringIO()
    logs.configure("info", out)
    log = structlog.get_logger()
    try:
        raise ValueError("no answer from http://me:pa55@host")
    except ValueError:
        log.exception("failed", token="pa55", url="http://me:pa55@host", header={"Authorization": "Bearer pa55pa55"})
    assert "pa55" not in out.getvalue()
    assert "ValueError: no answer from http://***@host" in lines(out)[0]["exception"]


def test_secrets_at_a_terminal() -> None:
    out = Terminal()
    logs.configure("info", out)
    try:
        raise ValueError("no answer from http://me:pa55@host")
    except ValueError:
        structlog.get_logger().exception("failed", url="http://me:pa55@host")
    assert "failed" in out.getvalue()
    assert "ValueError" in out.getvalue()
    assert "pa55" not in out.getvalue()


def test_level_and_quiet_libraries() -> None:
    out = io.StringIO()
    logs.configure("warning", out)
    structlog.get_logger("a").info("quiet")
    logging.getLogger("b").info("quiet")
    structlog.get_logger("a").warning("shown")
    assert [line["event"] for line in lines(out)] == ["shown"]


def test_bytes_and_newlines_stay_on_one_line() -> None:
    out = io.StringIO()
    logs.configure("info", out)
    structlog.get_logger().info("a\nb", body=b"\xff\n", at=object())
    assert len(lines(out)) == 1
