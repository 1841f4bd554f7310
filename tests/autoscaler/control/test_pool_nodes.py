"""What the nodes of a pool show: of which offering each is, and which are about to go."""

from typing import Any

from autoscaler.control.pool_nodes import PoolNodes, pool_nodes
from autoscaler.kube.store import STALE_SECONDS, Store
from tests.autoscaler.starts.test_shortages import a_pool

NOW = 1_000.0
DISRUPTED = "karpenter.sh/disrupted"


def a_node(name: str, *, spot: bool = False, gpu: str = "H100", **more: Any) -> dict[str, Any]:
    labels = {"nvidia.com/gpu.product": gpu, "karpenter.sh/nodepool": "h100-spot" if spot else "h100"}
    return {"metadata": {"name": name, "labels": labels, **more.pop("metadata", {})}, **more}


def read(nodes: Store, *going: str, now_seconds: float = NOW) -> PoolNodes | None:
    return pool_nodes(a_pool(), nodes, [DISRUPTED, "maintenance"], going, now_seconds)


def stored(*nodes: dict[str, Any]) -> Store:
    store = Store()
    store.replace(nodes)
    return store


def test_each_node_is_of_the_offering_whose_labels_it_has() -> None:
    found = read(stored(a_node("a"), a_node("b", spot=True), a_node("c", spot=True), a_node("other", gpu="L4")))
    assert found is not None
    assert {name: node.offering for name, node in found.nodes.items()} == {"a": "on-demand", "b": "spot", "c": "spot"}
    assert (found.count("spot"), found.count("on-demand"), found.count("none")) == (2, 1, 0)
    place = found.place("spot")
    assert place is not None
    assert place.pool == "h100-spot"
    assert found.place("none") is None


def test_a_node_is_given_notice_by_a_taint_its_deletion_or_that_of_its_claim() -> None:
    going = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    found = read(
        stored(
            a_node("stays", spec={"taints": [{"key": "nvidia.com/gpu"}]}),
            a_node("disrupted", spec={"taints": [{"key": DISRUPTED, "effect": "NoSchedule"}]}),
            a_node("drained", spec={"taints": [{"key": "maintenance"}]}),
            a_node("deleted", metadata=going),
            a_node("claimed"),
        ),
        "claimed",
    )
    assert found is not None
    assert sorted(name for name, node in found.nodes.items() if node.leaving) == [
        "claimed",
        "deleted",
        "disrupted",
        "drained",
    ]


def test_a_change_of_a_node_is_seen() -> None:
    nodes = stored(a_node("a"))
    read(nodes)
    nodes.put(a_node("a", spec={"taints": [{"key": DISRUPTED}]}))
    found = read(nodes)
    assert found is not None
    assert found.nodes["a"].leaving
    nodes.drop(a_node("a"))
    assert read(nodes) == PoolNodes({})


def test_nodes_that_were_not_listed_or_are_old_are_unknown() -> None:
    assert read(Store()) is None
    nodes = stored(a_node("a"))
    nodes.stale_since = NOW
    assert read(nodes) is not None
    assert read(nodes, now_seconds=NOW + STALE_SECONDS + 1.0) is None
