"""The pods of a target: they start, share what arrives, and stop. As objects of the Kubernetes API, too."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from crds.notation.timestamps import timestamp
from tests.twin.load import START_SECONDS, STEP_SECONDS, STEPS, TICK_SECONDS, Load
from tests.twin.pod import Pod

SELECTOR = "app=chat"
AGE_SECONDS = 1.0  # of a sample when it is decided on


@dataclass
class Fleet:
    """Deterministic: the same load and the same decisions give the same pods. Deep copies go their own way."""

    load: Load
    pods: list[Pod] = field(default_factory=list)
    spec_replicas: int = 0
    idle: frozenset[str] = frozenset()  # pods that get no requests
    _made: int = 0
    _step: int = 0
    _turn: int = 0

    @classmethod
    def warm(cls, load: Load) -> "Fleet":
        """A fleet that has served for a day, a quarter larger than the mean demand."""
        fleet, rng = cls(load), random.Random(f"fleet {load.seed}")
        for _ in range(math.ceil(1.25 * load.demand) + 1):
            served = rng.randrange(10_000, 1_000_000)
            pod = fleet._add(START_SECONDS - 86_400.0, 0.0)
            pod.accepted = pod.first_tokens = served
            pod.served, pod.rejected = float(served), rng.randrange(0, 1_000_000)
        fleet.spec_replicas = len(fleet.pods)
        return fleet

    def _add(self, now_seconds: float, lag_seconds: float) -> Pod:
        ready = now_seconds + lag_seconds
        pod = Pod(f"chat-{self._made}", self.load, now_seconds, ready, max(now_seconds, ready - 20.25))
        self._made += 1
        self.pods.append(pod)
        return pod

    def serving(self, now_seconds: float) -> list[Pod]:
        """Pods that answer requests."""
        return [pod for pod in self.pods if pod.ready_seconds <= now_seconds]

    @property
    def queue(self) -> int:
        """Requests that wait."""
        return sum(max(0, pod.in_flight - int(self.load.engine.max_concurrency)) for pod in self.pods)

    def advance(self) -> None:
        """One tick of traffic, up to the moment of the scrape."""
        for _ in range(STEPS):
            now = START_SECONDS + self._step * STEP_SECONDS - AGE_SECONDS
            open_pods = [pod for pod in self.serving(now) if pod.name not in self.idle]
            each, more = divmod(self.load.arrivals[self._step], max(1, len(open_pods)))
            for place, pod in enumerate(open_pods):
                pod.step(STEP_SECONDS, each + ((place + self._turn) % len(open_pods) < more))
            self._turn += more
            self._step += 1

    def scale(self, replicas: int, now_seconds: float) -> None:
        """Take a decision. The newest pods stop first."""
        self.spec_replicas = replicas
        if self.load.follows:
            while len(self.pods) > max(replicas, 1):
                self.pods.pop()
            while len(self.pods) < replicas:
                self._add(now_seconds, self.load.start_seconds)

    def objects(self, now_seconds: float) -> Iterator[dict[str, Any]]:
        """The pods as the API has them."""
        for pod in self.pods:
            node_seconds = pod.created_seconds + 0.4 * (pod.ready_seconds - pod.created_seconds)
            placed, ready = now_seconds >= node_seconds, now_seconds >= pod.ready_seconds
            yield pod_object(
                pod.name,
                "10.0.0.1",
                created=pod.created_seconds,
                placed=node_seconds if placed else None,
                ready=pod.ready_seconds if ready else None,
            )


@lru_cache(maxsize=256)  # objects are never changed
def pod_object(name: str, address: str, *, created: float, placed: float | None, ready: float | None) -> dict[str, Any]:
    """A pod; `placed` and `ready` are since when it is, or None."""
    conditions = [
        {"type": kind, "status": "True", "lastTransitionTime": timestamp(since)}
        for kind, since in (("PodScheduled", placed), ("Ready", ready))
        if since is not None
    ]
    key, value = SELECTOR.split("=")
    about = {"namespace": "ns", "name": name, "labels": {key: value}, "creationTimestamp": timestamp(created)}
    status: dict[str, Any] = {"phase": "Pending" if placed is None else "Running", "conditions": conditions}
    return {
        "metadata": about,
        "spec": {} if placed is None else {"nodeName": f"node-{name}"},
        "status": status if placed is None else {**status, "podIP": address},
    }


def now_of(tick: int) -> float:
    """The time of a tick."""
    return START_SECONDS + (tick + 1) * TICK_SECONDS
