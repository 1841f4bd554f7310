"""`sum(rate(counter[window]))`: how fast counters of the pods grow, as Prometheus has it from its scrapes."""

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from replay.contenders.hpa_on_metric import PROMETHEUS_SECONDS
from replay.sim.readings import Readings


class Rates:
    """The rates of some counters over a window. A pod counts between two scrapes that both reached it.

    So the first scrape of a new pod adds nothing, and a pod that is gone has no last increase: as in Prometheus, but for
    its extrapolation from the samples of one pod to the window's ends.
    """

    def __init__(self, window_seconds: float, *counters: str) -> None:
        self._counters = counters
        self._last: Readings | None = None
        intervals = (
            math.floor(window_seconds / PROMETHEUS_SECONDS) - 1
        )  # as many samples lie in the window, and one more
        self._grown: deque[NDArray[np.float64] | None] = deque(maxlen=intervals)

    def scrape(self, readings: Readings) -> NDArray[np.float64] | None:
        """Take in a scrape, and give each counter's growth per second; None where no pod has two samples in the window."""
        if self._last is not None:
            self._grown.append(readings.growth(self._last, *self._counters))
        self._last = readings
        known = [grown for grown in self._grown if grown is not None]
        return np.sum(known, axis=0) / (len(known) * PROMETHEUS_SECONDS) if known else None
