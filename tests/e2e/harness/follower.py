"""Follows the replicas that a Deployment is told to run, so that no fall goes unseen."""

import threading
import time
from typing import Self

import requests

from tests.e2e.harness.api import ApiError
from tests.e2e.harness.workload import Workload

EVERY_SECONDS = 0.2  # an HPA moves them every 3 s at the most


class Follower:
    """As a context it looks on a thread of its own; `seen` is (seconds since it began, replicas), `unanswered` counts
    the looks for which there was no API server."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._began = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="follower", daemon=True)
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
        """Since it began."""
        return time.monotonic() - self._began

    @property
    def least(self) -> int:
        """The fewest that were seen."""
        return min(replicas for _, replicas in self.seen)

    @property
    def changes(self) -> list[tuple[float, int]]:
        """When they became what."""
        pairs = zip([(0.0, -1), *self.seen], self.seen, strict=False)
        return [(round(now[0], 1), now[1]) for before, now in pairs if before[1] != now[1]]

    def _look(self) -> None:
        while not self._ended.wait(EVERY_SECONDS):
            try:
                self.seen.append((self.seconds, self._workload.scale()[0]))
            except (requests.RequestException, ApiError):
                self.unanswered += 1
