from typing import Any

from autoscaler.kube import trim
from autoscaler.kube.nodes import gpus, has_image, is_gpu, place
from autoscaler.starts.nodes import MOST_REFUSED, Nodes
from policies.seen import Place
from tests.autoscaler.starts.recorded import IMAGE, T0, condition, node, node_claim


def test_labels_of_each_cloud() -> None:
    assert place(node()) == Place("gpu", "g6.xlarge", "spot")
    gke = {"cloud.google.com/gke-nodepool": "l4", "cloud.google.com/gke-spot": "true"}
    gke |= {"node.kubernetes.io/instance-type": "g2-standard-8", "cloud.google.com/gke-accelerator": "nvidia-l4"}
    assert place({"metadata": {"labels": gke}}) == Place("l4", "g2-standard-8", "spot", "nvidia-l4")
    eks = {"eks.amazonaws.com/nodegroup": "ng", "eks.amazonaws.com/capacityType": "ON_DEMAND"}
    assert place({"metadata": {"labels": eks}}) == Place("ng", "", "on-demand")
    assert place({"metadata": {}}) == Place()


def test_gpus_of_any_maker_and_slices_of_them() -> None:
    assert gpus({"nvidia.com/gpu": "8", "cpu": "4"}) == 8
    assert gpus({"nvidia.com/mig-1g.10gb": 7}) == 7
    assert is_gpu("amd.com/gpu")
    assert not is_gpu("hugepages-1Gi")
    assert gpus({"nvidia.com/gpu": "many"}) == 0
    assert gpus(None) == 0


def test_a_node_without_its_gpu_and_later_with_it() -> None:
    nodes = Nodes()
    nodes.saw_node(node(), T0 + 62.0)
    assert nodes.seen(node()).gpu_seconds is None
    nodes.saw_node(node(gpus=1), T0 + 99.0)
    nodes.saw_node(node(), T0 + 200.0)  # the device plugin restarts
    nodes.saw_node(node(gpus=1), T0 + 210.0)
    assert nodes.seen(node(gpus=1)).gpu_seconds == T0 + 99.0
    nodes.lost_node(node())
    assert nodes.seen(node(gpus=1)).gpu_seconds is None


def test_of_a_node_that_had_its_gpu_the_time_is_unknown() -> None:
    nodes = Nodes()
    nodes.saw_node(node(gpus=1), T0 + 99.0)
    nodes.saw_claim(node_claim())
    found = nodes.seen(node(gpus=1))
    assert found.gpu_seconds is None
    assert found.claimed_seconds == T0 + 3.0


def test_a_node_that_registers_with_its_gpu_did_not_wait_for_it() -> None:
    """Else the wait that is given would be added to a node that was seen whole."""
    nodes = Nodes()
    nodes.saw_node(node(gpus=1), T0 + 63.0)
    nodes.saw_node(node(gpus=1), T0 + 90.0)
    assert nodes.seen(node(gpus=1)).gpu_seconds == T0 + 63.0


def test_images_are_kept_of_nodes_and_a_heartbeat_is_no_change() -> None:
    kept = trim.node(node(gpus=1, images=(IMAGE, "pause")))
    assert has_image(kept, IMAGE)
    assert not has_image(kept, "openai:v0.19.1")
    assert not has_image(kept, "")
    beat = node(gpus=1, images=(IMAGE, "pause"))
    beat["status"]["conditions"][0]["lastHeartbeatTime"] = "2030-01-01T00:00:00Z"
    assert trim.node(beat) == kept


def claim(name: str, *, launched: bool = False, asks: bool = True) -> dict[str, Any]:
    found = node_claim(asks=asks)
    found["metadata"] |= {"name": name, "uid": name, "labels": {"karpenter.sh/nodepool": "gpu"}}
    found["status"] = {"conditions": condition("Launched", 5.0 if launched else None)}
    kept: dict[str, Any] = dict(trim.node_claim(found))
    return kept


def test_a_claim_that_goes_before_its_launch_was_refused() -> None:
    nodes = Nodes()
    for each in (claim("a"), claim("b"), claim("c", asks=False), claim("d")):
        nodes.saw_claim(each)
    nodes.saw_claim(claim("b", launched=True))
    for each in (claim("a"), claim("b", launched=True), claim("c", asks=False), claim("unseen")):
        nodes.lost_claim(each, T0 + 20.0)
    nodes.lost_claim(claim("d"), T0 + 4000.0)  # it was not looked at for an hour
    assert nodes.take_refused() == [Place("gpu")]
    assert nodes.take_refused() == []


def test_of_a_claim_that_goes_after_its_node_nothing_is_kept() -> None:
    """Karpenter changes it once more in between, and names of nodes may come again."""
    nodes = Nodes()
    nodes.saw_claim(node_claim())
    nodes.lost_node(node())
    nodes.saw_claim(node_claim())
    nodes.lost_claim(node_claim(), T0 + 4000.0)
    assert nodes.seen(node()).claimed_seconds is None


def test_of_claims_that_nobody_takes_the_last_are_kept() -> None:
    nodes = Nodes()
    for number in range(MOST_REFUSED + 9):
        nodes.saw_claim(claim(str(number)))
        nodes.lost_claim(claim(str(number)), T0 + 20.0)
    assert len(nodes.take_refused()) == MOST_REFUSED
