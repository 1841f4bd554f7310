"""Shows the end of a process's log."""

from pathlib import Path

TAIL_LINES = 15


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log, with its path."""
    try:
        last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
    except OSError as error:
        return f"{log} cannot be read: {error.strerror}"
    return "\n".join((f"the end of {log}:", *(f"  {line}" for line in last)))
