"""Small clusters for tests: two workloads of exact stages, and two offerings."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from policies.pool import OfferingKind
from replay.scenario.actuators import NO_ACTUATORS, Actuators
from replay.scenario.cluster import ClusterScenario, ClusterWorkload, SimOffering
from replay.scenario.scenario import Hardware
from replay.sim.cluster import Cluster
from tests.replay.sim.scenarios import START, SURE, scenario

SPOT = SimOffering("spot", OfferingKind.SPOT, 0.5, 1, max_nodes=4)
ON_DEMAND = SimOffering("on-demand", OfferingKind.ON_DEMAND, 2.0, 1, max_nodes=4)


def workload(
    name: str,
    *,
    replicas: int = 1,
    arrivals: Sequence[float] = (0.0,),
    hardware: Hardware = SURE,
    actuators: Actuators = NO_ACTUATORS,
    output: int = 50,
    **settings: Any,
) -> ClusterWorkload:
    played = scenario(list(arrivals), output=output, hardware=hardware, replicas=replicas)
    return ClusterWorkload(name, replace(played, actuators=actuators), **settings)


def shared(
    *workloads: ClusterWorkload, offerings: Sequence[SimOffering] = (SPOT, ON_DEMAND), **settings: Any
) -> ClusterScenario:
    """By default of two workloads with a replica each."""
    members = workloads or (workload("chat"), workload("code"))
    return ClusterScenario("test", START, 3600.0, members, tuple(offerings), reaction_seconds=2.0, **settings)


def cluster(*workloads: ClusterWorkload, **settings: Any) -> Cluster:
    return Cluster(shared(*workloads, **settings))


def at(found: Cluster, seconds: float) -> Cluster:
    found.advance(START + seconds)
    return found
