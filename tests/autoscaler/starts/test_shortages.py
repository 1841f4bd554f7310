"""Which offering of a pool refused a node, by what node autoscalers report of NodeClaims and pods."""

import random
from collections.abc import Mapping
from typing import Any, cast

from autoscaler.kube.client import Kube
from autoscaler.kube.objects import Key
from autoscaler.starts.shortages import MOST, OF_CLAIM, OF_POD, Shortages, offering_of
from crds.kinds import GPU_POOL
from crds.notation.timestamps import timestamp
from crds.pool import GpuPool
from tests.support.fake_clock import FakeClock

GPU = {"nvidia.com/gpu.product": "H100"}


def a_pool(name: str = "h100", node_selector: Mapping[str, str] = GPU, **selectors: dict[str, str]) -> GpuPool:
    """A pool with an offering for each selector; `_` in a name stands for -."""
    given = selectors or {
        "spot": {"karpenter.sh/nodepool": "h100-spot"},
        "on_demand": {"karpenter.sh/nodepool": "h100"},
    }
    offerings = [
        {
            "name": each.replace("_", "-"),
            "kind": "OnDemand",
            "nodeSelector": selector,
            "pricePerGpuHour": 1,
            "gpusPerNode": 8,
        }
        for each, selector in given.items()
    ]
    spec = {
        "owner": "platform",
        "nodeSelector": dict(node_selector),
        "offerings": offerings,
        "members": [{"name": "everyone", "namespaceSelector": {}}],
    }
    kind = {"apiVersion": "outrider.dev/v1alpha1", "kind": "GPUPool", "metadata": {"name": name}}
    found = GPU_POOL.resolve({**kind, "spec": spec})
    assert isinstance(found, GpuPool), found
    return found


def shortages(clock: FakeClock, asked: Mapping[Key, Mapping[str, str]] | None = None) -> Shortages:
    known = asked or {}
    return Shortages(cast(Kube, None), clock, random.Random(1), lambda: True, lambda pod: known.get(pod, {}))


def a_claim(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {"karpenter.sh/nodepool": name.rpartition("-")[0], **labels}}}


def an_event(reason: str, at_seconds: float, name: str, namespace: str = "") -> dict[str, Any]:
    about = {"name": name, "namespace": namespace}
    return {"reason": reason, "involvedObject": about, "lastTimestamp": timestamp(at_seconds)}


def test_a_claim_that_went_is_of_the_offering_of_its_labels() -> None:
    clock = FakeClock()
    seen = shortages(clock)
    seen.saw_refused(a_claim("h100-spot-x7k2p"))
    assert seen.last_seconds(a_pool(), "spot") == clock.now()
    assert seen.last_seconds(a_pool(), "on-demand") is None


def test_an_event_about_a_claim_that_was_never_seen_is_read_by_its_name() -> None:
    clock = FakeClock()
    seen = shortages(clock)
    at_seconds = clock.now() // 1 - 20.0
    seen.saw_event(an_event(OF_CLAIM, at_seconds, "h100-x7k2p"))
    assert seen.last_seconds(a_pool(), "on-demand") == at_seconds
    assert seen.last_seconds(a_pool(), "spot") is None


def test_the_labels_of_a_claim_that_is_gone_are_remembered_and_bounded() -> None:
    clock = FakeClock()
    seen = shortages(clock)
    seen.saw_claim({"metadata": {"name": "odd", "labels": {"karpenter.sh/nodepool": "h100-spot"}}})
    seen.saw_event(an_event(OF_CLAIM, clock.now(), "odd"))
    assert seen.last_seconds(a_pool(), "spot") is not None
    for index in range(2 * MOST):
        seen.saw_claim(a_claim(f"other-{index}"))
        seen.saw_refused(a_claim(f"other-{index}"))
    assert len(seen._claims) == MOST
    assert seen.last_seconds(a_pool(), "spot") is None  # pushed out


def test_what_is_said_about_a_pod_is_of_the_offering_that_it_asks_for() -> None:
    clock = FakeClock()
    pod = Key("llm", "chat-1")
    seen = shortages(clock, {pod: {"karpenter.sh/nodepool": "h100-spot"}})
    seen.saw_event(an_event(OF_POD, clock.now(), "chat-1", "llm"))
    seen.saw_event(an_event(OF_POD, clock.now(), "unknown", "llm"))
    assert seen.last_seconds(a_pool(), "spot") is not None
    assert seen.last_seconds(a_pool(), "on-demand") is None


def test_a_time_in_the_future_is_now() -> None:
    clock = FakeClock()
    seen = shortages(clock)
    seen.saw_event(an_event(OF_CLAIM, clock.now() + 900.0, "h100-x7k2p"))
    assert seen.last_seconds(a_pool(), "on-demand") == clock.now()


def test_an_event_without_anything_is_no_refusal() -> None:
    seen = shortages(FakeClock())
    for event in ({}, {"reason": OF_CLAIM}, {"reason": OF_POD, "involvedObject": {}}, {"reason": "Other"}):
        seen.saw_event(event)
    assert seen.last_seconds(a_pool(), "on-demand") is None


def test_labels_that_a_claim_cannot_have_yet_do_not_matter_and_the_pools_own_tell_nothing_apart() -> None:
    pool = a_pool(spot={"tier": "spot", "zone": "a"}, on_demand={"tier": "on-demand", "zone": "a"})
    assert offering_of(pool, {"tier": "on-demand"}) == "on-demand"
    assert offering_of(pool, {"tier": "spot", "zone": "b"}) == ""
    assert offering_of(pool, {"other": "label"}) == ""
    shared = a_pool(node_selector={"zone": "a"}, spot={"tier": "spot"}, on_demand={"tier": "on-demand"})
    assert offering_of(shared, {"zone": "a"}) == ""
