"""Whatever is made, edited and deleted, in whichever order: one policy a target, and the oldest that may have it."""

import asyncio
import random
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.control.registry import PolicyRegistry
from autoscaler.control.runner import Parts
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.control.target import TargetReader
from autoscaler.control.transport import TransportReader
from autoscaler.kube.client import Kube
from autoscaler.kube.watches import Watches
from autoscaler.records.store import Loaded
from autoscaler.reporting.events import Events
from autoscaler.reporting.refusals import Refusals
from autoscaler.reporting.reporter import Reporter
from autoscaler.reporting.status import StatusWriter
from autoscaler.scaler.board import Board
from autoscaler.sources.scrape import Scraper
from crds.rivals import age
from crds.v1alpha1.resource import API_VERSION
from tests.support.fake_clock import FakeClock

NAMES, TARGETS = "abcd", "xyz"
EDITS = st.tuples(st.sampled_from(NAMES), st.sampled_from(TARGETS) | st.none(), st.booleans())
ROUNDS = st.lists(st.lists(EDITS, min_size=1, max_size=3), max_size=8)


class Nothing:
    """A part that does nothing."""

    async def run(self, runtime: PolicyRuntime) -> None:
        """Nothing."""

    def subscribe(self, listener: object) -> None:
        """Nothing is ever reported."""


class Cluster:
    """The policies as they are written, and the registry that follows them. Nothing crosses a socket."""

    def __init__(self) -> None:
        clock, kube = FakeClock(), cast(Kube, None)
        self.watches = Watches(kube, clock, random.Random(1), None)
        self.watches.policies.replace([])
        part, status = Nothing(), StatusWriter(kube, clock)
        parts = Parts((), cast(TargetReader, part), cast(TransportReader, part), part, (), ())
        reporter = Reporter(self.watches.policies, status, Events(kube, clock), clock)
        refusals, scraper = Refusals(status, clock), Scraper(clock)
        self.registry = PolicyRegistry(self.watches, scraper, Board(clock), parts, reporter, refusals, clock, Loaded())
        self.written: dict[str, dict[str, Any]] = {}
        self.versions = 0

    def edit(self, name: str, target: str | None, *, valid: bool) -> None:
        """Make or change a policy; without a target, delete it."""
        before = self.written.pop(name, None)
        if target is None:
            if before is not None:
                self.watches.policies.drop(before)
            return
        self.versions += 1
        created = before["metadata"]["creationTimestamp"] if before else f"2026-01-01T00:00:{self.versions // 2:02}Z"
        self.written[name] = {
            "apiVersion": API_VERSION,
            "kind": "ScalingPolicy",
            "metadata": {
                "namespace": "ns",
                "name": name,
                "uid": f"{name}-{created}",
                "generation": self.versions,
                "creationTimestamp": created,
            },
            "spec": {"target": {"name": target}, "maxReplicas": 9 if valid else 0, "profile": "8b-l4"},
        }
        self.watches.policies.put(self.written[name])

    def check(self) -> None:
        """Who is followed, against the rule."""
        followed = {runtime.workload.name: runtime.workload.target.name for runtime in self.registry.runtimes.values()}
        assert len(set(followed.values())) == len(followed), "two policies scale one target"
        assert followed.keys() <= self.written.keys()
        for name, raw in self.written.items():
            wanted = raw["spec"]["target"]["name"]
            if not raw["spec"]["maxReplicas"] or followed.get(name) == wanted:
                continue
            owner = next((other for other, target in followed.items() if target == wanted), None)
            assert owner is not None, f"nobody scales {wanted}, which {name} asks for"
            assert age(self.written[owner]) < age(raw), f"{owner} is younger than {name}"


@settings(max_examples=60, deadline=None)
@given(rounds=ROUNDS)
def test_one_policy_a_target_and_the_oldest_that_asks_for_it(rounds: list[list[tuple[str, str | None, bool]]]) -> None:
    async def play() -> None:
        cluster = Cluster()
        async with asyncio.TaskGroup() as group:
            for edits in rounds:
                for name, target, valid in edits:
                    cluster.edit(name, target, valid=valid)
                await cluster.registry._follow(group)
                cluster.check()
            for task in cluster.registry._tasks.values():
                task.cancel()

    asyncio.run(play())
