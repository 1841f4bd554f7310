"""Names of files that a shell completes for an argument, by their type."""

from collections.abc import Callable
from pathlib import Path

Complete = Callable[[str], list[str]]


def files(*suffixes: str) -> Complete:
    """Files with one of these suffixes, and folders. A folder that is the only match gives what it holds.

    Bash would otherwise end the argument with a space after the folder's name.
    """

    def complete(incomplete: str) -> list[str]:
        while True:
            found = _matches(incomplete, suffixes)
            if len(found) != 1 or not found[0].endswith("/") or found[0] == incomplete:
                return found
            if not (inside := _matches(found[0], suffixes)):
                return found
            if len(inside) > 1:
                return inside
            incomplete = found[0]

    return complete


def _matches(incomplete: str, suffixes: tuple[str, ...]) -> list[str]:
    folder, slash, start = incomplete.rpartition("/")
    try:
        inside = sorted(Path(folder or slash or ".").expanduser().iterdir())
    except OSError:
        return []
    return [
        f"{folder}{slash}{path.name}{'/' if path.is_dir() else ''}"
        for path in inside
        if path.name.startswith(start)
        and (start.startswith(".") or not path.name.startswith("."))
        and (path.is_dir() or path.name.endswith(suffixes))
    ]


policy_files = files(".yaml", ".yml", ".json")
