"""Whether what a policy asks for works, in one sentence."""

from dataclasses import replace

import pytest

from autoscaler.actuators.fetched import Fetched, Progress
from autoscaler.actuators.fetching import FetchSettings
from autoscaler.actuators.prepull import images
from autoscaler.actuators.wishes import PRE_PULL, WEIGHTS, abilities, asked, fetches, wish
from crds.workload import Weights, WeightsMethod, Workload
from policies.fetches import Ability
from policies.model import Mode
from policies.supply import StageName
from tests.autoscaler.kube.workloads import TEMPLATE, WORKLOAD, workload

IMAGE = TEMPLATE["spec"]["containers"][0]["image"]
PULLING = replace(WORKLOAD, pre_pull=True)
CACHED = replace(WORKLOAD, weights=Weights(WeightsMethod.LOCAL_MODEL_CACHE, cache="chat"))


def the_ability(
    of: Workload, *progress: Progress, obstacles: dict[str, str] | None = None, nodes: int | None = 4
) -> Ability:
    wanted = wish(of, TEMPLATE, 1.0, FetchSettings())
    seen = tuple(Fetched({}, f"n{at}", IMAGE, "image", each, "Evicted") for at, each in enumerate(progress))
    [found] = abilities(of, wanted, seen, obstacles or {}, nodes)
    return found


@pytest.mark.parametrize(
    ("progress", "works", "said"),
    [
        ((), True, "Brought to each node as it registers; kept on 0 of 4."),
        (
            (Progress.HELD, Progress.DONE, Progress.UNDER_WAY),
            True,
            "Brought to each node as it registers; kept on 2 of 4; on its way to 1.",
        ),
        ((Progress.FAILED, Progress.HELD), True, "Brought to each node as it registers; kept on 1 of 4."),
        ((Progress.FAILED,), False, f"Node n0 did not get {IMAGE}: Evicted."),
        ((Progress.STUCK, Progress.UNDER_WAY), False, f"Node n0 did not get {IMAGE}: Evicted."),
    ],
)
def test_how_far_an_image_is(progress: tuple[Progress, ...], works: bool, said: str) -> None:
    stage = StageName.IMAGE
    assert the_ability(PULLING, *progress) == Ability(PRE_PULL, stage, works, said)


def test_why_it_does_not_work() -> None:
    assert the_ability(PULLING, nodes=None).sentence.startswith("The nodes are not known")
    shadow = replace(workload(mode=Mode.SHADOW), pre_pull=True)
    assert the_ability(shadow).sentence == "In mode Shadow nothing is brought to the nodes."
    assert the_ability(PULLING, Progress.HELD, obstacles={PRE_PULL: "a quota."}).sentence == "A quota."


def test_a_cache_of_kserve_is_counted_on_where_the_nodes_are_known() -> None:
    found = the_ability(CACHED)
    assert (found.name, found.works) == (WEIGHTS, True)
    assert not the_ability(CACHED, nodes=None).works
    assert not fetches(CACHED)


def test_what_is_not_asked_for_is_not_shown() -> None:
    assert asked(WORKLOAD) == ()
    assert images(WORKLOAD, TEMPLATE) == ()
