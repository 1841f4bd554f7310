"""Scrapes: what a reader of /metrics knows, which is older than what is."""

import math

from policies.model import PodSample
from replay.sim.world import World


class Scraper:
    """Reads every serving pod each `interval_seconds`; a reading is known `delay_seconds` after it was taken."""

    def __init__(self, world: World, interval_seconds: float, delay_seconds: float = 0.0) -> None:
        self._world = world
        self._interval_seconds = interval_seconds
        self._delay_seconds = delay_seconds
        self._readings: list[tuple[float, tuple[PodSample, ...]]] = [(-math.inf, ())]

    @property
    def latest(self) -> tuple[PodSample, ...]:
        """The newest reading that is known now, of the pods that served when it was taken."""
        return self._readings[0][1]

    def advance(self, to_seconds: float) -> None:
        """Advance the world and scrape on the way. A scrape that is never the newest known one is left out."""
        known = math.floor((to_seconds - self._delay_seconds) / self._interval_seconds)
        for scrape in range(known, math.floor(to_seconds / self._interval_seconds) + 1):
            at_seconds = scrape * self._interval_seconds
            if at_seconds >= self._world.now_seconds and at_seconds > self._readings[-1][0]:
                self._world.advance(at_seconds)
                self._readings.append((at_seconds, self._world.samples()))
        while len(self._readings) > 1 and self._readings[1][0] <= to_seconds - self._delay_seconds:
            self._readings.pop(0)
        self._world.advance(to_seconds)
