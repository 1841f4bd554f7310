"""Waits for what another process does."""

import time
from collections.abc import Callable
from typing import TypeVar

import requests

Found = TypeVar("Found")
PAUSE_SECONDS = 0.1


class Waiting:
    """Waits, and meanwhile calls each of `watching`, which raises if something has died."""

    def __init__(self) -> None:
        self.watching: list[Callable[[], None]] = []

    def __call__(self, check: Callable[[], Found | None], seconds: float = 60.0, what: str = "") -> Found:
        """Poll until `check` returns something true. Raises TimeoutError with the last value or error."""
        began = time.monotonic()
        last: object = None
        while time.monotonic() - began < seconds:
            try:
                if found := check():
                    return found
                last = found
            except (requests.RequestException, OSError) as error:
                last = error
            for watch in self.watching:
                watch()
            time.sleep(PAUSE_SECONDS)
        name = what or getattr(check, "__name__", "the condition")
        raise TimeoutError(f"waited {seconds:g} s for: {name}; last seen: {last!r}")


until = Waiting()
