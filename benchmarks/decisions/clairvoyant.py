"""The cheapest schedule found with perfect knowledge, where the project has a search for it."""

import importlib
import importlib.util
from typing import NamedTuple

from crds.workload import Workload
from replay.driver import Outcome
from replay.scenario.scenario import Scenario

KEY = "clairvoyant"
MODULE = "replay.optimum"
AVAILABLE = importlib.util.find_spec(MODULE) is not None


class Cheapest(NamedTuple):
    """At two attainments; None where no schedule that was tried reaches it."""

    at_99: Outcome | None
    at_999: Outcome | None


def best(scenario: Scenario, workload: Workload) -> Cheapest:
    """Both in one search, whose schedules are played here."""
    found = importlib.import_module(MODULE).best(scenario, workload, (0.99, 0.999))
    return Cheapest(*(each and each.outcome for each in found))
