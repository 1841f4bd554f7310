"""What a learner makes of the pods that it is shown."""

from dataclasses import replace

import pytest

from policies.keys import Kept
from policies.learner import Learner, learn
from policies.ledger import Ledger
from policies.seen import NodeSeen, Place, PodSeen, Pull, PullMessage, PullState
from policies.starts import Part
from policies.supply import ColdStart, Stage
from policies.weights import Came, Way

GIVEN = ColdStart(
    Stage(38.0, 92.0), Stage(230.0, 330.0), Stage(60.0, 150.0), Stage(149.0, 204.0), gpu=Stage(37.0, 110.0)
)
POD = PodSeen("ns", "a", "uid", "node", "vllm", 10.0, 80.0, 80.0, 300.0, 400.0, has_address=True)


class OneNode:
    """A node that registers 40 s after the pod was created, has its GPU 30 s later, and pulls the image in 220 s."""

    def node(self, name: str) -> NodeSeen | None:
        return NodeSeen(name, Place(instance_type="g6.xlarge"), 50.0, 80.0)

    def lists_image(self, node: str, image: str) -> bool:
        return False

    def pull_of(self, pod: PodSeen) -> Pull | None:
        return Pull(PullMessage("i:1", PullState.PULLED, 220.0, 220.0), 300.0)

    def pull_on(self, namespace: str, node: str, image: str) -> Pull | None:
        return None


def learned(came: Came, starts: int = 30) -> ColdStart:
    learner, ledger = Learner("ns/chat", OneNode()), Ledger()
    learner.look([], [], "i:1", 0.0)
    for index in range(starts):
        [ended] = learner.look([replace(POD, uid=str(index))], [], "i:1", 420.0, lambda _: came)
        ledger = learn(ledger, learner.lesson(ended, "i:1", 420.0), GIVEN)
        learner.look([], [], "i:1", 25.0)
    return learner.cold_start(ledger, "i:1", GIVEN, came)


def test_each_stage_is_learned_once() -> None:
    found = learned(Came())
    assert found.gpu is not None
    assert found.image is not None
    p50s = [each.p50_seconds for each in (found.node, found.gpu, found.image)]
    assert p50s == pytest.approx([40.0, 30.0, 220.0], rel=0.05)


def test_weights_in_the_warm_up_share_what_is_seen_of_it() -> None:
    found = learned(Came())
    assert found.weights is not None
    assert found.weights.p50_seconds + found.warmup.p50_seconds == pytest.approx(100.0, rel=0.1)


def test_weights_that_are_brought_ahead_are_no_part_of_the_warm_up() -> None:
    found = learned(Came(Way.PREFETCH))
    assert found.weights == GIVEN.weights
    assert found.warmup.p50_seconds == pytest.approx(100.0, rel=0.05)


def test_a_balloon_teaches_no_warm_up() -> None:
    learner = Learner("ns/chat", OneNode())
    learner.look([], [], "i:1", 0.0)
    [ended] = learner.look([], [POD], "i:1", 420.0)
    lesson = learner.lesson(ended, "i:1", 420.0)
    assert {each.part for each in lesson.observations} == {Part.NODE, Part.GPU, Part.IMAGE}


@pytest.mark.parametrize(
    ("image", "version"),
    [("i:2", "1"), ("mirror/i:2", "2"), ("i@sha256:2", "sha256:2")],
    ids=["before a change", "pulled from a mirror", "pinned by a webhook"],
)
def test_a_start_from_before_a_change_of_the_image_teaches_nothing_of_the_new_one(image: str, version: str) -> None:
    learner = Learner("ns/chat", OneNode())
    learner.look([], [], image, 0.0)
    [ended] = learner.look([POD], [], image, 420.0)
    taught = {each.part: each.key for each in learner.lesson(ended, image, 420.0).observations}
    assert taught[Part.IMAGE][-1] == version
    assert taught[Part.WARMUP][-1] == ("i:1" if version == "1" else image)


def test_a_warm_up_on_a_new_node_has_missed_the_compile_cache_that_each_node_keeps() -> None:
    learner = Learner("ns/chat", OneNode())
    learner.look([], [], "i:1", 0.0)
    [ended] = learner.look([POD], [], "i:1", 420.0)
    keys = [
        {each.part: each.key for each in learner.lesson(ended, "i:1", 420.0, cache).observations}[Part.WARMUP][0]
        for cache in (Kept.NODE, Kept.SHARED)
    ]
    assert keys == [
        "ns/chat with weights with a compile cache on the node, miss",
        "ns/chat with weights with a compile cache on a volume",
    ]
