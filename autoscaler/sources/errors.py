"""What can go wrong with a source. A source that fails leaves the signal unknown, never zero."""

from enum import StrEnum


class SourceErrorKind(StrEnum):
    """How a source failed: the label `kind` of `outrider_source_errors_total`."""

    TIMEOUT = "timeout"  # no whole answer before the deadline
    CONNECTION = "connection"  # refused, reset, no such host
    STATUS = "status"  # an answer, but not 200
    BODY = "body"  # 200 with something that cannot be read
    QUERY = "query"  # Prometheus understood and refused
    PARTIAL = "partial"  # Prometheus warned that its answer may lack something


class SourceError(Exception):
    """One reading failed. The text says what was asked, where, and what to look at."""

    def __init__(self, kind: SourceErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
