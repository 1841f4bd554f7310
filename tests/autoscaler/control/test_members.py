"""Whose a pod is, among many policies of one namespace: a change of one pod is work for its own policies alone."""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import pytest

from autoscaler.control.loop import Loop
from autoscaler.control.members import Members
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.kube.client import Kube
from autoscaler.kube.objects import Key
from autoscaler.kube.scale import Scale
from autoscaler.kube.watches import Watches
from autoscaler.records.writer import Recorder
from autoscaler.scaler.board import Board
from autoscaler.sources.scrape import Scraper
from crds.notation.selectors import Selector, parse
from policies.model import Inputs, PodSample, State
from tests.autoscaler.kube.workloads import WORKLOAD
from tests.support.fake_clock import FakeClock


def pod(name: str, app: str, ip: str = "10.0.0.1") -> dict[str, Any]:
    about = {"namespace": "ns", "name": name, "labels": {"chart": "vllm", "app": app}}
    return {"metadata": about, "spec": {"nodeName": "n"}, "status": {"phase": "Running", "podIP": ip}}


class Namespace:
    """Policies with two pods each, and what keeps them."""

    def __init__(self, policies: int) -> None:
        self.clock = FakeClock()
        self.watches = Watches(cast(Kube, None), self.clock, random.Random(1), None)
        self.watches.follow(["ns"])
        self.pods = self.watches.pods("ns")
        self.pods.replace(pod(f"m{i}-{n}", f"m{i}") for i in range(policies) for n in range(2))
        self.scraper = Scraper(self.clock)
        self.members = Members(self.watches, self.scraper)
        self.runtimes = {f"ns/m{i}": self._runtime(f"m{i}") for i in range(policies)}
        self.moved: list[str] = []
        self.watches.subscribe(lambda *place: self.moved.extend(self.members.selecting(*place)))

    def _runtime(self, name: str) -> PolicyRuntime:
        policy = replace(WORKLOAD.policy, name=f"ns/{name}")
        workload = replace(WORKLOAD, namespace="ns", name=name, policy=policy)
        runtime = PolicyRuntime(workload, State(), self.watches, (), self.clock.now())
        runtime.offer_scale(Scale(2, parse(f"chart=vllm,app={name}")), self.clock.now())
        runtime.begin(self.clock.now())
        self.members.refresh(runtime)
        return runtime


async def test_a_change_and_a_sample_of_one_pod_are_work_for_one_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    namespace = Namespace(200)
    scraper, clock = namespace.scraper, namespace.clock
    loop = Loop(namespace.runtimes, namespace.members.policies_of, scraper, Board(clock), Recorder(None), clock)
    work: Counter[str] = Counter()
    matches, inputs = Selector.matches, PolicyRuntime.inputs

    def counting(self: Selector, labels: Mapping[str, str]) -> bool:
        work["evaluations"] += 1
        return matches(self, labels)

    def noting(self: PolicyRuntime, *args: Any, **more: Any) -> Inputs:
        work[self.key] += 1
        return inputs(self, *args, **more)

    monkeypatch.setattr(Selector, "matches", counting)
    monkeypatch.setattr(PolicyRuntime, "inputs", noting)
    namespace.pods.put(pod("m7-0", "m7", "10.0.0.2"))
    assert namespace.moved == ["ns/m7"]
    namespace.members.refresh(namespace.runtimes["ns/m7"])
    scraper.accept(Key("ns", "m7-0"), PodSample("m7-0", clock.now(), None, 1.0, 0.0))
    await loop.round()
    assert work.pop("evaluations") <= 2
    assert work == {"ns/m7": 1}


def test_the_scraper_follows_every_change() -> None:
    namespace = Namespace(2)
    urls = namespace.scraper._addresses
    assert set(urls) == {("ns", name) for name in ("m0-0", "m0-1", "m1-0", "m1-1")}
    namespace.pods.put(pod("m0-0", "m0", "10.0.0.2"))
    namespace.pods.drop(pod("m0-1", "m0"))
    namespace.pods.put(pod("m0-2", "m0"))
    for policy in set(namespace.moved):
        namespace.members.refresh(namespace.runtimes[policy])
    assert set(urls) == {("ns", name) for name in ("m0-0", "m0-2", "m1-0", "m1-1")}
    assert urls[Key("ns", "m0-0")].urls == ("http://10.0.0.2:8000/metrics",)
    namespace.members.forget("ns/m0")
    assert set(urls) == {("ns", name) for name in ("m1-0", "m1-1")}
    assert not namespace.members.policies_of(Key("ns", "m0-0"))


def test_a_pod_of_two_policies_is_known_as_long_as_one_of_them_has_it() -> None:
    namespace = Namespace(2)
    one, two = namespace.runtimes.values()
    two.offer_scale(Scale(4, parse("chart=vllm")), 0.0)
    namespace.members.refresh(two)
    both = Key("ns", "m0-0")
    assert set(namespace.members.policies_of(both)) == {"ns/m0", "ns/m1"}
    namespace.members.forget(one.key)
    assert set(namespace.members.policies_of(both)) == {"ns/m1"}
    assert both in namespace.scraper._addresses
    namespace.members.forget(two.key)
    assert not namespace.scraper._addresses
