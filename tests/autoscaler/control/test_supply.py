from dataclasses import replace
from random import Random
from typing import Any, cast

from autoscaler.actuators.balloon import Balloons
from autoscaler.actuators.manifest import BalloonSettings
from autoscaler.control.supply import endpoints, supply
from autoscaler.kube.client import Kube
from autoscaler.kube.ours import BALLOON, POLICY
from autoscaler.kube.scale import Scale
from autoscaler.kube.store import STALE_SECONDS, Store
from autoscaler.kube.watches import Watches
from crds.notation.selectors import parse
from policies.supply import Supply, Unit
from tests.autoscaler.kube.workloads import WORKLOAD
from tests.support.fake_clock import FakeClock

NOW = 1_700_000_000.0
SCALE = Scale(3, parse("app=chat"))
READY: dict[str, Any] = {"conditions": [{"type": "Ready", "status": "True"}]}


def pod(name: str, node: str = "n", phase: str = "Running", **more: Any) -> dict[str, Any]:
    about = {"namespace": "ns", "name": name, "labels": more.pop("labels", {"app": "chat"}), **more.pop("metadata", {})}
    return {"metadata": about, "spec": {"nodeName": node} if node else {}, "status": {"phase": phase, **more}}


def job(name: str, policy: str = "chat", kind: str = "") -> dict[str, Any]:
    ended = {"conditions": [{"type": kind, "status": "True"}]} if kind else {}
    return {"metadata": {"namespace": "ns", "name": name, "labels": {POLICY: policy}}, "status": ended}


def stores(pods: list[dict[str, Any]], jobs: list[dict[str, Any]] | None = None) -> tuple[Store, Store]:
    made = Store(), Store()
    made[0].replace(pods)
    made[1].replace(jobs or [])
    return made


def counted(pods: list[dict[str, Any]], jobs: list[dict[str, Any]] | None = None) -> Supply | None:
    return supply(SCALE, *known(*stores(pods, jobs)), NOW)


def known(pods: Store, jobs: Store) -> tuple[Store, list[tuple[Unit, ...] | None]]:
    """The pods, and what the balloon actuator sees of them and the Jobs."""
    watches = Watches(cast(Kube, None), FakeClock(), Random(1), None)
    watches.follow(["ns"])
    for mine, theirs in ((watches.pods("ns"), pods), (watches.jobs("ns"), jobs)):
        if theirs.synced:
            mine.replace(theirs)
    return pods, [Balloons(cast(Kube, None), watches, BalloonSettings(10)).observe(WORKLOAD, NOW)]


def figures(found: Supply | None) -> tuple[object, ...]:
    """(spec, names of pods that serve, starting, unplaced, prepared, preparing)."""
    assert found is not None
    return found.spec_replicas, found.ready, found.starting, found.unplaced, found.prepared, found.preparing


def test_pods_are_counted_by_rung() -> None:
    pods = [
        pod("b", **READY),
        pod("a", **READY),
        pod("starting"),
        pod("pulling", phase="Pending"),
        pod("unplaced", node="", phase="Pending"),
        pod("failed", phase="Failed"),
        pod("done", phase="Succeeded"),
        pod("going", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}, **READY),
        pod("another", labels={"app": "other"}, **READY),
    ]
    assert figures(counted(pods)) == (3, ("a", "b"), 2, 1, 0, 0)


def test_balloons_are_counted_by_rung_and_never_as_replicas() -> None:
    balloon = {"app": "chat", BALLOON: "one"}  # as wide a selector as can be
    pods = [pod("one-x", labels=balloon, **READY), pod("two-x", phase="Pending", labels={BALLOON: "two"})]
    jobs = [job("one"), job("two"), job("three"), job("late", kind="Failed"), job("theirs", policy="other")]
    assert figures(counted(pods, jobs)) == (3, (), 0, 0, 1, 2)


def test_what_is_not_known_is_not_zero() -> None:
    pods, jobs = stores([])
    assert supply(None, *known(pods, jobs), NOW) is None
    assert supply(SCALE, *known(Store(), jobs), NOW) is None
    assert supply(SCALE, *known(pods, Store()), NOW) is None
    assert supply(SCALE, *known(pods, jobs), NOW) == Supply(3)


def test_pods_that_the_target_counts_and_the_list_lacks_are_unlisted() -> None:
    """Of any phase: a listed pod that starts, or one that no node takes, is seen. What ends is no replica to miss."""
    going = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    listed = [
        pod("a", **READY),
        pod("starting"),
        pod("unplaced", node="", phase="Pending"),
        pod("failed", phase="Failed"),
        pod("going", metadata=going, **READY),
        pod("balloon", labels={"app": "chat", BALLOON: "one"}),
        pod("another", labels={"app": "other"}),
    ]

    def unlisted(status_replicas: int | None, pods: list[dict[str, Any]]) -> int:
        found = supply(replace(SCALE, status_replicas=status_replicas), *known(*stores(pods)), NOW)
        assert found is not None
        return found.unlisted

    assert [unlisted(counts, listed) for counts in (None, 0, 3, 5, 10)] == [0, 0, 0, 2, 7]
    owned = {"ownerReferences": [{"kind": "StatefulSet", "uid": "u"}]}
    ending = [pod(str(i), metadata={**going, **owned}, **READY) for i in range(4)]
    assert unlisted(10, listed + ending) == 3, "a StatefulSet counts its pods until they are gone"


def test_the_last_good_content_is_served_while_the_api_is_away() -> None:
    pods, jobs = stores([pod("a", **READY)])
    pods.stale_since = NOW - STALE_SECONDS
    counted = supply(SCALE, *known(pods, jobs), NOW)
    assert counted is not None
    assert counted.ready == ("a",)
    assert supply(SCALE, *known(pods, jobs), NOW + 1.0) is None


def test_every_running_pod_is_scraped_ready_or_not() -> None:
    pods = [
        pod("a", podIP="10.0.0.1", **READY),
        pod("b", podIP="fd00::1"),
        pod("c"),
        pod("d", phase="Pending", podIP="1.1.1.1"),
    ]
    assert endpoints(WORKLOAD, SCALE, stores(pods)[0]) == {
        "a": ("http://10.0.0.1:8000/metrics",),
        "b": ("http://[fd00::1]:8000/metrics",),
    }
    assert endpoints(WORKLOAD, None, stores(pods)[0]) == {}
