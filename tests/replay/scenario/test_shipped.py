"""The shipped scenarios: whoever plays them sees Outrider keep the SLO of every model but the one that floods."""

import pytest

from replay import cluster_contenders
from replay.cluster_contenders import Contending, Played
from replay.cluster_run import ClusterOutcome, run
from replay.scenario import assemble
from replay.scenario.files import load, shipped

FLOODS = "flood"


def played(name: str) -> ClusterOutcome:
    """Outrider on a shipped scenario."""
    file = load(f"scenario:{name}")
    workloads = {part.stated.name: part.workload for part in file.parts}
    found = Played(assemble.cluster(file), workloads, file.pool)
    waits = {name: each.policy.queue_wait_seconds for name, each in workloads.items()}
    return run(found.scenario, cluster_contenders.make(found, Contending("outrider")), waits)


@pytest.mark.slow  # 6 to 25 s each
@pytest.mark.parametrize("name", shipped())
def test_it_keeps_the_slo(name: str) -> None:
    policies = {part.stated.name: part.workload.policy for part in load(f"scenario:{name}").parts}
    missed = {
        each: found.attainment
        for each, found in played(name).workloads.items()
        if each != FLOODS and found.attainment < policies[each].attainment
    }
    assert not missed
