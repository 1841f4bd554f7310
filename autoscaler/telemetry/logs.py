"""Logs: one JSON object a line on stderr, or coloured lines where a person sits at a terminal. Never a secret."""

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor

from autoscaler.telemetry.redact import redact_mapping

_QUIET = ("aiohttp.access", "asyncio", "kubernetes_asyncio", "urllib3")  # their info lines tell nothing here


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Send our own logs, and those of the libraries that use `logging`, to `stream` (default: stderr)."""
    out = sys.stderr if stream is None else stream
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Not the console's own tracebacks: they show local variables, and with them secrets.
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    last: Processor = console if out.isatty() else structlog.processors.JSONRenderer()
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _without_secrets,
                last,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _without_secrets(_logger: object, _method: str, event: EventDict) -> EventDict:
    return redact_mapping(event)
