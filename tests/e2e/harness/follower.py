"""Follows a Deployment's `spec.replicas`, so that no decrease goes unseen."""

import threading
import time
from typing import Self

import requests

from tests.e2e.harness.api import ApiError
from tests.e2e.harness.workload import Workload

EVERY_SECONDS = 0.2  # an HPA changes them every 3 s at most


class Follower:
    """As a context it polls in a thread of its own; `seen` is (seconds since the start, replicas), `unanswered` counts
    the polls that the API server did not answer."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._began = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="follower", daemon=True)
        self.seen: list[tuple[float, int]] = []
        self.unanswered = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    @property
    def least(self) -> int:
        """The fewest replicas that were seen."""
        return min(replicas for _, replicas in self.seen)

    @property
    def changes(self) -> list[tuple[float, int]]:
        """(seconds since the start, replicas) of each change."""
        pairs = zip([(0.0, -1), *self.seen], self.seen, strict=False)
        return [(round(now[0], 1), now[1]) for before, now in pairs if before[1] != now[1]]

    def _poll(self) -> None:
        while not self._ended.wait(EVERY_SECONDS):
            try:
                self.seen.append((self.seconds, self._workload.scale()[0]))
            except (requests.RequestException, ApiError):
                self.unanswered += 1
