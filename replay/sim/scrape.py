"""Scrapes: what a reader of /metrics knows, which is older than what is."""

import math

from policies.model import PodSample
from replay.sim.world import World


class Scraper:
    """Reads every serving pod each `interval_seconds`; a reading is known `delay_seconds` after it was taken.

    `latest` holds the newest known reading of each pod that was there at the last scrape.
    """

    def __init__(self, world: World, interval_seconds: float, delay_seconds: float = 0.0) -> None:
        self._world = world
        self._interval_seconds = interval_seconds
        self._delay_seconds = delay_seconds
        self.latest: tuple[PodSample, ...] = ()

    def advance(self, to_seconds: float) -> None:
        """Advance the world, with the last scrape that is known by then on the way. Scrapes in between show nowhere."""
        known_seconds = to_seconds - self._delay_seconds
        at_seconds = math.floor(known_seconds / self._interval_seconds) * self._interval_seconds
        if at_seconds >= self._world.now_seconds:
            self._world.advance(at_seconds)
            self.latest = self._world.samples()
        self._world.advance(to_seconds)
