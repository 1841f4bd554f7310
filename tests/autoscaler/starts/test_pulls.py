from autoscaler.kube import trim
from autoscaler.starts import pulls as module
from autoscaler.starts.pulls import Pulls
from tests.autoscaler.starts.recorded import IMAGE, NODE, PRESENT, PULLED, T0, event


def test_a_flood_of_events_takes_a_bounded_number_of_places() -> None:
    pulls = Pulls()
    for index in range(module.MOST_PULLS + 10):
        pulls.saw(trim.event(event(PULLED.replace(IMAGE, f"image-{index}"), 1.0, of=f"pod-{index}")), T0 + 2.0)
    assert len(pulls._of_container) == len(pulls._on_node) == module.MOST_PULLS
    assert pulls.of("ns", "uid-pod-0", "vllm") is None
    assert pulls.of("ns", f"uid-pod-{module.MOST_PULLS + 9}", "vllm") is not None


def test_what_cannot_be_read_or_lies_in_the_future_is_not_believed() -> None:
    pulls = Pulls()
    pulls.saw(trim.event(event(PULLED, 60.0)), T0)
    pulls.saw(trim.event(event("Started container vllm", 0.0)), T0)
    pulls.saw({}, T0)
    pulls.saw({**event(PULLED, 0.0), "lastTimestamp": None, "firstTimestamp": "yesterday"}, T0)
    pulls.saw({**event(PULLED, 0.0), "involvedObject": {"fieldPath": 7}, "source": {}}, T0)
    assert pulls.of("ns", "uid-chat-0", "vllm") is None
    assert pulls.on("ns", NODE, IMAGE) is None


def test_the_last_report_counts_and_the_last_real_pull_of_a_node() -> None:
    pulls = Pulls()
    pulls.saw(trim.event(event(PULLED, 200.0)), T0 + 201.0)
    pulls.saw(trim.event(event(PRESENT, 300.0)), T0 + 301.0)
    own, on_node = pulls.of("ns", "uid-chat-0", "vllm"), pulls.on("ns", NODE, IMAGE)
    assert own is not None
    assert own.message.state == "Present"
    assert on_node is not None
    assert (on_node.begin_seconds, on_node.at_seconds) == (T0 + 15.0, T0 + 200.0)


def test_an_event_of_another_namespace_says_nothing_of_a_pod() -> None:
    pulls = Pulls()
    pulls.saw(trim.event(event(PULLED, 200.0, namespace="other")), T0 + 201.0)
    assert pulls.of("ns", "uid-chat-0", "vllm") is None
    assert pulls.on("ns", NODE, IMAGE) is None
