"""Timestamps as Kubernetes objects carry them, and Unix seconds.

Any fraction of a second is read, so `metav1.MicroTime` too; `metav1.Time`, whole seconds in UTC, is written.
"""

from datetime import UTC, datetime


def timestamp(unix: float) -> str:
    """Write Unix seconds as `2026-05-04T09:30:00Z`; a fraction is cut off."""
    return datetime.fromtimestamp(int(unix), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def unix_seconds(text: str) -> float:
    """Read an RFC 3339 timestamp or another ISO 8601 time, in UTC where it names no zone. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
