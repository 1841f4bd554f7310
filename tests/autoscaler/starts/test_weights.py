import pytest

from autoscaler.kube import trim
from autoscaler.starts.pods import seen
from autoscaler.starts.pulls import Pulls
from autoscaler.starts.weights import brought, by_images, weight_images
from policies.seen import PodSeen, Pull
from policies.starts import Part, Span
from tests.autoscaler.starts.recorded import NODE, T0, event, pod

WEIGHTS = "registry/weights:v1"
VOLUMES = {"spec": {"volumes": [{"name": "w", "image": {"reference": WEIGHTS}}, {"name": "tmp", "emptyDir": {}}]}}
POD = seen(trim.pod(pod(scheduled=100.0, sandbox=101.0, started=290.0)), "vllm")


def pull(end: float, seconds: int = 60) -> Pull | None:
    pulls = Pulls()
    said = event(f'Successfully pulled image "{WEIGHTS}" in {seconds}s ({seconds}s including waiting).', end)
    del said["involvedObject"]["fieldPath"]  # that of a volume has none
    pulls.saw(trim.event(said), T0 + 1000.0)
    return pulls.on("ns", NODE, WEIGHTS)


def span(found: Span | None) -> tuple[float, float, str] | None:
    if found is None:
        return None
    assert found.part is Part.WEIGHTS
    return found.begin_seconds - T0, found.end_seconds - T0, found.path


def test_the_images_that_have_weights_are_the_policys_or_those_that_pods_mount() -> None:
    assert weight_images("theirs:v2", VOLUMES) == ("theirs:v2",)
    assert weight_images("", VOLUMES) == (WEIGHTS,)
    assert weight_images("", None) == ()


@pytest.mark.parametrize(
    ("end", "found"),
    [
        (250.0, (190.0, 250.0, "pulled")),  # for a pre-pull, while the replica waited
        (-50.0, (101.0, 101.0, "present")),
        (300.0, None),  # after the engine began
    ],
)
def test_weights_in_an_image_have_come_with_its_last_pull(end: float, found: tuple[float, float, str] | None) -> None:
    assert span(by_images(POD, [pull(end)])) == found


def test_of_several_images_all_have_to_be_there() -> None:
    assert span(by_images(POD, [pull(250.0), pull(280.0)])) == (190.0, 280.0, "pulled")
    assert span(by_images(POD, [pull(250.0), pull(-50.0)])) == (190.0, 250.0, "pulled")
    assert by_images(POD, [pull(250.0), None]) is by_images(POD, []) is None


def test_what_came_before_or_in_a_time_that_is_not_known_teaches_nothing() -> None:
    assert span(brought(POD, None, T0 + 200.0)) == (101.0, 101.0, "present")
    assert span(brought(POD, T0 + 20.0, T0 + 200.0)) == (20.0, 200.0, "pulled")
    waiting: PodSeen = seen(trim.pod(pod(scheduled=100.0)), "vllm")
    assert brought(waiting, T0 + 20.0, T0 + 200.0) is None
