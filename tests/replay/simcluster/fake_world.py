"""A world for tests of the simulated cluster: the test decides what happens, nothing happens by itself.

What it does not do: serve requests, place pods, start nodes, keep score, end balloons at their deadline.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from policies.model import PodSample
from replay.sim.views import BalloonView, Ended, NodeView, Phase, PodView

START = 1_700_000_000.0


class FakeWorld:
    """Stands in for `replay.sim.world.World`. Tests change `views` and `held` and then let time pass."""

    def __init__(self, target: str = "llm", replicas: int = 1) -> None:
        self.target = target
        self.now_seconds = START
        self.spec_replicas = replicas
        self.views: dict[str, PodView] = {}
        self.held: dict[str, BalloonView] = {}
        self.machines: list[NodeView] = []
        self.waiting = 0.0
        for _ in range(replicas):
            self.add_pod(serving=True)

    def add_pod(self, *, serving: bool = False) -> str:
        name = f"{self.target}-{len(self.views)}"
        at = self.now_seconds
        unplaced = PodView(name, at, None, None, None, None, None, None, Phase.UNPLACED)
        self.views[name] = unplaced
        if serving:
            self.views[name] = replace(
                unplaced,
                scheduled_seconds=at,
                image_ready_seconds=at,
                started_seconds=at,
                ready_seconds=at,
                node="node-0",
                phase=Phase.SERVING,
            )
        return name

    def change(self, name: str, **changes: object) -> None:
        self.views[name] = replace(self.views[name], **changes)  # type: ignore[arg-type]

    def change_balloon(self, name: str, **changes: object) -> None:
        self.held[name] = replace(self.held[name], **changes)  # type: ignore[arg-type]

    def end_balloon(self, name: str, why: Ended) -> None:
        self.change_balloon(name, ended=why)

    def advance(self, to_seconds: float) -> None:
        self.now_seconds = to_seconds

    def scale(self, replicas: int) -> None:
        self.spec_replicas = replicas
        while sum(not view.terminating for view in self.views.values()) < replicas:
            self.add_pod()

    def create_balloon(self, name: str, deadline_seconds: float) -> None:
        at = self.now_seconds
        self.held[name] = BalloonView(name, at, at + deadline_seconds, None, None, None, None)

    def delete_balloon(self, name: str) -> None:
        del self.held[name]

    def pods(self) -> tuple[PodView, ...]:
        return tuple(self.views.values())

    def nodes(self) -> tuple[NodeView, ...]:
        return tuple(self.machines)

    def balloons(self) -> tuple[BalloonView, ...]:
        return tuple(self.held.values())

    def queue_times(self) -> Mapping[str, Sequence[float]]:
        return {}

    def samples(self) -> tuple[PodSample, ...]:
        return tuple(
            PodSample(
                pod=view.name,
                at_seconds=self.now_seconds,
                started_seconds=view.started_seconds,
                running=2.0,
                waiting=self.waiting,
                finished_total=(self.now_seconds - START) * 1.0,
                rejected_total=0.0,
                prompt_tokens_total=(self.now_seconds - START) * 100.0,
                cached_prompt_tokens_total=0.0,
                generation_tokens_total=(self.now_seconds - START) * 50.0,
                request_prompt_tokens_sum=(self.now_seconds - START) * 100.0,
                request_prompt_tokens_count=(self.now_seconds - START) * 1.0,
                request_generation_tokens_sum=(self.now_seconds - START) * 50.0,
                request_generation_tokens_count=(self.now_seconds - START) * 1.0,
            )
            for view in self.views.values()
            if view.ready
        )
