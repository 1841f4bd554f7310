"""When an offering has nodes to give. Nothing that a contender does changes it."""

import numpy as np

from replay.scenario.cluster import ClusterScenario
from replay.sim.stages import StageKind, seed_of


class Stock:
    """The stock-outs of a scenario: those of its script, and those that are drawn."""

    def __init__(self, scenario: ClusterScenario) -> None:
        self._outages = {
            offering.name: [
                (each.start_seconds, each.end_seconds) for each in scenario.outages if each.offering == offering.name
            ]
            for offering in scenario.offerings
        }
        if (drawn := scenario.stockouts) is None:
            return
        end_seconds = scenario.start_seconds + scenario.duration_seconds
        for index, offering in enumerate(scenario.offerings):
            if drawn.offerings and offering.name not in drawn.offerings:
                continue
            random = np.random.default_rng((seed_of(scenario.seed, index), StageKind.STOCK))
            at_seconds = scenario.start_seconds
            while at_seconds < end_seconds:
                start_seconds = at_seconds + float(random.exponential(drawn.mean_seconds_between))
                at_seconds = start_seconds + float(random.exponential(drawn.mean_seconds))
                self._outages[offering.name].append((start_seconds, at_seconds))

    def refuses(self, offering: str, now_seconds: float) -> bool:
        """Whether a create of one of its nodes is refused now."""
        return any(start <= now_seconds < end for start, end in self._outages[offering])
