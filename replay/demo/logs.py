"""What a process has left in its log."""

from pathlib import Path

TAIL_LINES = 15


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log, and where the whole of it is."""
    try:
        told = log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
    except OSError as error:
        return f"and {log} cannot be read: {error.strerror}"
    return "\n".join((f"the end of {log}:", *(f"  {line}" for line in told)))
