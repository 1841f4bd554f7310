"""How a source can fail. A source that fails leaves the signal unknown, never zero."""

from enum import StrEnum


class SourceErrorKind(StrEnum):
    """How a source failed: the label `kind` of `outrider_source_errors_total`."""

    TIMEOUT = "timeout"  # no complete answer before the deadline
    CONNECTION = "connection"  # refused, reset, no such host
    TLS = "tls"  # the server's certificate is not accepted, or it does not use TLS
    TRANSPORT = "transport"  # the CA or the token to reach it with cannot be used
    STATUS = "status"  # an answer, but not 200
    BODY = "body"  # 200 with a body that cannot be read
    QUERY = "query"  # Prometheus refused the query
    PARTIAL = "partial"  # Prometheus warned that its answer may be incomplete
    PROCESS = "process"  # the process that reads failed


class SourceError(Exception):
    """One reading failed. The text says what was read, from where, and what to check."""

    def __init__(self, kind: SourceErrorKind, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status  # of an HTTP answer that was not 200
