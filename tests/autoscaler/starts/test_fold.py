"""One start, from objects as an API server gives them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from autoscaler.kube import trim
from autoscaler.starts.nodes import Nodes
from autoscaler.starts.pods import seen
from autoscaler.starts.pulls import Pulls
from policies.fold import observations, start
from policies.keys import What, keys
from policies.ledger import Observation, Outcome
from policies.seen import ImageSeen, NodeSeen, Place
from policies.starts import Part, Span, Start, hidden_seconds
from tests.autoscaler.starts.recorded import IMAGE, NODE, PRESENT, PULLED, T0, event, node, node_claim, pod

END = T0 + 700.0
WHERE = ("gpu", "g6.xlarge", "spot")
SERVING: dict[str, Any] = {"scheduled": 100.0, "sandbox": 101.0, "started": 290.0, "ready": 500.0}


def node_seen(claim: Mapping[str, Any] | None = None, gpu: float | None = 99.0) -> NodeSeen:
    """The node, whose GPU came so many seconds after T0."""
    nodes = Nodes()
    nodes.saw_node(trim.node(node()), T0 + 63.0)
    if claim is not None:
        nodes.saw_claim(trim.node_claim(claim))
    if gpu is not None:
        nodes.saw_node(trim.node(node(gpus=1)), T0 + gpu)
    return nodes.seen(trim.node(node(gpus=1)))


def image_seen(*events: Mapping[str, Any], listed: bool = False) -> ImageSeen:
    pulls = Pulls()
    for each in events:
        pulls.saw(trim.event(each), END)
    return ImageSeen(pulls.of("ns", "uid-chat-0", "vllm"), pulls.on("ns", NODE, IMAGE), listed)


def a_start(given: Mapping[str, Any], at_node: NodeSeen | None, image: ImageSeen, now_seconds: float = END) -> Start:
    return start(seen(trim.pod(given), "vllm"), at_node, image, now_seconds)


def spans(of: Start) -> list[tuple[Part, float, float, str]]:
    """Relative to T0."""
    return [(each.part, each.begin_seconds - T0, each.end_seconds - T0, each.path) for each in of.spans]


def test_every_part_that_can_be_seen() -> None:
    found = a_start(pod(**SERVING), node_seen(node_claim()), image_seen(event(PULLED, 288.0)))
    assert spans(found) == [
        (Part.REACTION, 0.0, 3.0, ""),
        (Part.NODE, 3.0, 62.0, ""),
        (Part.GPU, 62.0, 99.0, ""),
        (Part.IMAGE, 103.0, 288.0, "pulled"),
        (Part.WARMUP, 290.0, 500.0, ""),
    ]
    assert (found.pod, found.node, found.requested_seconds) == ("chat-0", NODE, T0)
    assert found.serving_seconds == T0 + 500.0


def test_a_node_without_a_claim_takes_as_long_as_since_the_request() -> None:
    found = a_start(pod(**SERVING), node_seen(gpu=None), ImageSeen())
    assert spans(found)[0] == (Part.NODE, 0.0, 62.0, "")
    assert Part.GPU not in {part for part, *_ in spans(found)}


@pytest.mark.parametrize(("created", "queued"), [(62.0, True), (14.0, False), (-1.0, False)])
def test_a_node_that_may_have_been_requested_for_another_pod_teaches_no_node(created: float, queued: bool) -> None:
    made = NodeSeen(NODE, Place("gpu"), T0 + created)
    given = seen(trim.pod(pod(**SERVING)), "vllm")
    found = start(given, made, ImageSeen(), END, queued=queued)
    assert Part.NODE not in {span.part for span in found.spans}
    claimed = start(given, replace(made, claimed_seconds=T0 - 40.0), ImageSeen(), END, queued=queued)
    assert Span(Part.NODE, T0 - 40.0, T0 + created) in claimed.spans


def test_a_claim_says_when_the_gpu_came_only_if_it_asks_for_one() -> None:
    asks, does_not = node_claim(initialized=98.0), node_claim(initialized=98.0, asks=False)
    assert (Part.GPU, 62.0, 98.0, "") in spans(a_start(pod(**SERVING), node_seen(asks, None), ImageSeen()))
    assert not [
        each for each in spans(a_start(pod(**SERVING), node_seen(does_not, None), ImageSeen())) if each[0] is Part.GPU
    ]


def test_of_a_node_that_existed_nothing_is_learned() -> None:
    nodes = Nodes()
    old = trim.node(node(created=-5000.0, gpus=1))
    nodes.saw_node(old, T0)
    given = pod(scheduled=1.0, sandbox=2.0, started=4.0, ready=200.0)
    found = a_start(given, nodes.seen(old), image_seen(event(PRESENT, 3.0)))
    assert spans(found) == [
        (Part.NODE, 0.0, 1.0, "existing"),
        (Part.IMAGE, 3.0, 3.0, "present"),
        (Part.WARMUP, 4.0, 200.0, ""),
    ]
    taught = observations(found, seen(trim.pod(given), "vllm"), keys(What("ns/chat", IMAGE, Place("gpu"))), END)
    assert [each.part for each in taught] == [Part.WARMUP]


def test_a_pull_for_another_pod_counts_where_it_ended_in_this_start_and_hides_behind_the_driver() -> None:
    early = event(PULLED, 250.0, of="prepull-1", container="sleep")
    found = a_start(pod(**SERVING), node_seen(gpu=99.0), image_seen(early, event(PRESENT, 289.0)))
    assert (Part.IMAGE, 65.0, 250.0, "pulled") in spans(found)
    assert hidden_seconds(found) == 34.0  # of the driver's 37 s
    before = event(PULLED, -10.0, of="prepull-1", container="sleep")
    assert (Part.IMAGE, 289.0, 289.0, "present") in spans(
        a_start(pod(**SERVING), node_seen(), image_seen(before, event(PRESENT, 289.0)))
    )


def test_another_namespace_teaches_nothing() -> None:
    assert image_seen(event(PULLED, 250.0, of="theirs", namespace="other")) == ImageSeen()


def test_without_events_the_container_says_how_long_the_pull_took_and_the_nodes_list_that_there_was_none() -> None:
    found = a_start(pod(**SERVING), None, ImageSeen())
    assert spans(found) == [(Part.IMAGE, 101.0, 290.0, ""), (Part.WARMUP, 290.0, 500.0, "")]
    assert (Part.IMAGE, 101.0, 101.0, "present") in spans(a_start(pod(**SERVING), None, ImageSeen(listed=True)))
    quick = pod(scheduled=1.0, sandbox=1.0, started=4.0, ready=9.0)
    assert spans(a_start(quick, None, ImageSeen())) == [(Part.WARMUP, 4.0, 9.0, "")]


@pytest.mark.parametrize(
    "seconds", [50.0, 310.0]
)  # it began before the pod was there, it ended after the container ran
def test_an_event_that_the_pod_contradicts_is_not_believed(seconds: float) -> None:
    forged = event(PULLED, seconds)
    del forged["source"]
    found = a_start(pod(**SERVING), None, image_seen(forged))
    assert (Part.IMAGE, 101.0, 290.0, "") in spans(found)


def test_weights_that_an_init_container_gets() -> None:
    found = a_start(pod(**SERVING, weights=(110.0, 180.0)), None, ImageSeen())
    assert (Part.WEIGHTS, 110.0, 180.0, "pulled") in spans(found)


@pytest.mark.parametrize(
    ("wrong", "lost"),
    [
        ({"started": 600.0}, Part.WARMUP),  # after it was ready
        ({"ready": 30_000.0}, Part.WARMUP),  # in the future
        ({"weights": (200.0, 100.0)}, Part.WEIGHTS),
        ({"weights": (-30_000.0, 100.0)}, Part.WEIGHTS),  # longer than any
    ],
)
def test_an_impossible_time_is_unknown(wrong: dict[str, Any], lost: Part) -> None:
    found = a_start(pod(**(SERVING | wrong)), None, ImageSeen())
    assert lost not in {part for part, *_ in spans(found)}


def test_a_pod_without_a_probe_teaches_no_warm_up() -> None:
    assert Part.WARMUP not in {
        part for part, *_ in spans(a_start(pod(**(SERVING | {"ready": 291.0})), None, ImageSeen()))
    }


def test_a_start_that_was_asked_for_in_the_future_has_no_parts() -> None:
    assert a_start(pod(created=90_000.0), node_seen(), ImageSeen()).spans == ()
    no_time = pod(**SERVING)
    del no_time["metadata"]["creationTimestamp"]
    assert a_start(no_time, node_seen(), ImageSeen()) == Start("chat-0", NODE, END, None)


@pytest.mark.parametrize(
    ("given", "part", "seconds", "outcome"),
    [
        ({}, Part.NODE, 700.0, Outcome.TIMED_OUT),
        (
            {"created": -5000.0},
            Part.NODE,
            0.0,
            Outcome.FAILED,
        ),  # a pod that no node fits must not slow all others' nodes
        ({"scheduled": 100.0, "sandbox": 101.0}, Part.IMAGE, 599.0, Outcome.TIMED_OUT),
        ({"scheduled": 100.0, "sandbox": 101.0, "started": 290.0}, Part.WARMUP, 410.0, Outcome.TIMED_OUT),
        ({"scheduled": 100.0, "waiting": "ImagePullBackOff"}, Part.IMAGE, 0.0, Outcome.FAILED),
        ({"scheduled": 100.0, "started": 290.0, "restarts": 2}, Part.WARMUP, 0.0, Outcome.FAILED),
    ],
)
def test_what_a_start_teaches_that_did_not_come_to_serve(
    given: dict[str, Any], part: Part, seconds: float, outcome: Outcome
) -> None:
    what = keys(What("ns/chat", IMAGE, Place("gpu", "g6.xlarge", "spot")))
    over = pod(**given)
    taught = observations(a_start(over, None, ImageSeen()), seen(trim.pod(over), "vllm"), what, END)
    assert taught[-1] == Observation(part, what[part], seconds, outcome)


def test_a_pod_that_served_after_a_crash_teaches_no_duration_of_its_warm_up() -> None:
    given = pod(**SERVING, restarts=1)
    taught = observations(a_start(given, None, ImageSeen()), seen(trim.pod(given), "vllm"), keys(What("ns/chat")), END)
    assert [(each.part, each.outcome) for each in taught] == [(Part.WARMUP, Outcome.FAILED)]


def test_observations_have_the_keys_of_their_own_node_and_image() -> None:
    given = pod(**SERVING)
    found = a_start(given, node_seen(node_claim()), image_seen(event(PULLED, 288.0)))
    what = keys(What("ns/chat", IMAGE, node_seen().place))
    taught = observations(found, seen(trim.pod(given), "vllm"), what, END)
    assert taught == (
        Observation(Part.REACTION, WHERE, 3.0),
        Observation(Part.NODE, WHERE, 59.0),
        Observation(Part.GPU, WHERE, 37.0),
        Observation(Part.IMAGE, ("ns/vllm/vllm-openai", "g6.xlarge", "v0.19.1"), 185.0),
        Observation(Part.WARMUP, ("ns/chat with weights", "g6.xlarge", IMAGE), 210.0),
    )


def test_a_span_never_ends_before_it_begins() -> None:
    found = a_start(pod(scheduled=100.0, weights=(200.0, 199.0)), None, ImageSeen())
    assert found.spans[-1] == Span(Part.WEIGHTS, T0 + 200.0, T0 + 200.0, "pulled")


def test_a_node_that_was_created_after_the_pod_was_placed_is_another_one() -> None:
    found = a_start(pod(scheduled=50.0, sandbox=51.0, started=52.0), node_seen(), ImageSeen())
    assert spans(found) == []
