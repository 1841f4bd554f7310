"""Logs: one JSON object per line on stderr, or coloured lines on a terminal. Secrets are masked."""

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor

from autoscaler.telemetry.redact import redact_mapping

_QUIET = ("aiohttp.access", "asyncio", "kubernetes_asyncio", "urllib3")  # their info lines are of no use here


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Write our own logs, and those of libraries that use `logging`, to `stream` (default: stderr)."""
    out = sys.stderr if stream is None else stream
    first: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Not the console's own tracebacks, which show local variables and thereby secrets.
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    last: Processor = console if out.isatty() else structlog.processors.JSONRenderer()
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=first,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _masked,
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
            *first,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _masked(_logger: object, _method: str, event: EventDict) -> EventDict:
    return redact_mapping(event)
