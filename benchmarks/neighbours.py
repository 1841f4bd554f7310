"""What one policy of many pays for its neighbours: `python -m benchmarks.neighbours`. About 10 s.

The same change of one pod (its address, then a sample of it, then the decision that this stirs) beside no other policy and beside
499 in the same namespace, all of 4 pods each. What the neighbours add is the ratio.
"""

import asyncio
import random
import statistics
import time
from collections.abc import Mapping
from itertools import count
from typing import Any, cast

from rich.console import Console
from rich.table import Table

from autoscaler.clock import WallClock
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
from crds.kinds import SCALING_POLICY
from crds.notation.selectors import parse
from crds.v1alpha1.resource import API_VERSION
from crds.workload import Workload
from policies.model import PodSample, State

AIM_MILLISECONDS = 1.0
PODS = 4
CHANGES = 400
PARTS = ("watch and index", "its policy's pods", "the decision", "in all")


class Namespace:
    """Policies of one namespace, their pods, and what follows both."""

    def __init__(self, policies: int) -> None:
        self.clock = WallClock()
        self.watches = Watches(cast(Kube, None), self.clock, random.Random(1), None)
        self.watches.follow(["bench"])
        self.pods = self.watches.pods("bench")
        self.pods.replace(a_pod(f"m{i}", n, 0) for i in range(policies) for n in range(PODS))
        self.scraper = Scraper(self.clock)
        self.members = Members(self.watches, self.scraper)
        self.moved = set[str]()
        self.watches.subscribe(lambda *place: self.moved.update(self.members.selecting(*place)))
        self.runtimes = {f"bench/m{i}": self._runtime(f"m{i}") for i in range(policies)}
        board, recorder = Board(self.clock), Recorder(None)
        self.loop = Loop(self.runtimes, self.members.policies_of, self.scraper, board, recorder, self.clock)

    def _runtime(self, name: str) -> PolicyRuntime:
        workload = SCALING_POLICY.resolve(
            {
                "apiVersion": API_VERSION,
                "kind": SCALING_POLICY.name,
                "metadata": {"namespace": "bench", "name": name, "uid": name},
                "spec": {"target": {"name": name}, "maxReplicas": 64, "profile": "8b-l4"},
            }
        )
        assert isinstance(workload, Workload)
        runtime = PolicyRuntime(workload, State(), self.watches, (), self.clock.now())
        runtime.offer_scale(Scale(PODS, parse(f"app=vllm,model={name}"), PODS), self.clock.now())
        runtime.begin(self.clock.now())
        self.members.refresh(runtime)
        return runtime

    async def change(self, model: str, turn: int) -> tuple[float, ...]:
        """Milliseconds of each part, and in all, of one change of one pod."""
        began = time.perf_counter()
        self.pods.put(a_pod(model, 0, turn))
        watched = time.perf_counter()
        for policy in self.moved:
            self.members.refresh(self.runtimes[policy])
        self.moved.clear()
        followed = time.perf_counter()
        pod = Key("bench", f"{model}-0")
        finished = 3.0 * turn
        self.scraper.accept(pod, PodSample(pod.name, self.clock.now(), 0.0, 9.0, float(turn % 2), finished))
        await self.loop.round()
        decided = time.perf_counter()
        parts = (watched - began, followed - watched, decided - followed, decided - began)
        return tuple(part * 1000.0 for part in parts)


def a_pod(model: str, number: int, turn: int) -> Mapping[str, Any]:
    return {
        "metadata": {
            "namespace": "bench",
            "name": f"{model}-{number}",
            "uid": f"{model}-{number}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app": "vllm", "model": model, "pod-template-hash": "7d9c6b5f4"},
        },
        "spec": {"nodeName": f"node-{number}"},
        "status": {
            "phase": "Running",
            "podIP": f"10.0.{turn % 250}.{number}",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:02:00Z"}],
        },
    }


async def measure(policies: int) -> list[float]:
    """Median milliseconds of each part."""
    namespace, turns = Namespace(policies), count(1)
    await namespace.change("m0", next(turns))
    took = [await namespace.change(f"m{turn % policies}", turn) for turn in range(2, CHANGES + 2)]
    return [statistics.median(part) for part in zip(*took, strict=True)]


def main() -> None:
    alone, among = asyncio.run(measure(1)), asyncio.run(measure(500))
    table = Table(title=f"One change of one pod, median of {CHANGES}, {PODS} pods a policy")
    for heading in ("part", "alone, ms", "among 500, ms", "ratio", "aim, ms"):
        table.add_column(heading, justify="right")
    for part, one, many in zip(PARTS, alone, among, strict=True):
        last = part == PARTS[-1]
        style = "red" if last and many >= AIM_MILLISECONDS else None
        figures = (f"{one:.3f}", f"{many:.3f}", f"{many / one:.2f}x", f"under {AIM_MILLISECONDS:g}" if last else "")
        table.add_row(part, *figures, style=style)
    Console().print(table)


if __name__ == "__main__":
    main()
