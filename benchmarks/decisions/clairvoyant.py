"""The cheapest schedule found with perfect knowledge, at the two attainments of the benchmark."""

from typing import NamedTuple

from crds.workload import Workload
from replay import optimum
from replay.driver import Outcome
from replay.scenario.scenario import Scenario

KEY = "clairvoyant"


class Cheapest(NamedTuple):
    """At two attainments; None where no schedule that was tried reaches it."""

    at_99: Outcome | None
    at_999: Outcome | None


def best(scenario: Scenario, workload: Workload) -> Cheapest:
    """Both in one search, whose schedules are played here."""
    found = optimum.best(scenario, workload, (0.99, 0.999))
    return Cheapest(*(None if each is None else each.outcome for each in found))
