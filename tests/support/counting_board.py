"""A board that counts its open subscriptions, each of which is one stream. It does everything else as the board itself."""

from collections.abc import Iterator
from contextlib import contextmanager

from autoscaler.clock import Clock
from autoscaler.scaler.board import Board, Subscription


class CountingBoard(Board):
    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.subscribers = 0

    @contextmanager
    def subscribe(self, key: str) -> Iterator[Subscription]:
        with super().subscribe(key) as subscription:
            self.subscribers += 1
            try:
                yield subscription
            finally:
                self.subscribers -= 1
