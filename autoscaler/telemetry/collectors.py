"""What is computed at every scrape of Outrider's own metrics. `metrics` declares them."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from autoscaler.clock import Clock
from policies.series import QUEUE_TIME_BOUNDS_SECONDS

REMEMBERED_SECONDS = 3600.0  # for which the alert on the promised attainment looks back


class Age(Collector):
    """How long ago something last happened, by policy: it grows while whatever does it is stuck."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self._clock: Clock | None = None
        self._happened: dict[str, float] = {}

    def use(self, clock: Clock) -> None:
        """Measure ages on this clock. Until then no series is exported."""
        self._clock = clock

    def happened(self, policy: str, at_seconds: float) -> None:
        """Record when it happened."""
        self._happened[policy] = at_seconds

    def remove(self, policy: str) -> None:
        """Remove a policy that was deleted."""
        self._happened.pop(policy, None)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The ages at this moment."""
        family = GaugeMetricFamily(self.name, self.text, labels=("policy",))
        if self._clock is not None:
            now = self._clock.now()
            for policy, at_seconds in tuple(self._happened.items()):
                family.add_metric((policy,), max(0.0, now - at_seconds))
        yield family


class SloPods(Collector):
    """Which pods have served for which policy in the last hour, so that rules can find the pods' own metrics.

    A pod is in it once, so that a join by pod is always one to many.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self._pods: dict[
            str, dict[str, tuple[float, str]]
        ] = {}  # by policy and pod: when it last served, and its bound

    def served(self, policy: str, pods: Iterable[str], queue_wait_seconds: float, now_seconds: float) -> None:
        """Record the pods, by name, that serve now."""
        namespace, le = policy.partition("/")[0], bound(queue_wait_seconds)
        found = self._pods.get(policy, {}) | {f"{namespace}/{pod}": (now_seconds, le) for pod in pods}
        since = now_seconds - REMEMBERED_SECONDS
        self._pods[policy] = {pod: (at, le) for pod, (at, le) in found.items() if at >= since}

    def remove(self, policy: str) -> None:
        """Remove a policy that was deleted."""
        self._pods.pop(policy, None)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One series for each pod, of the policy that it served last; the value is always 1."""
        newest: dict[str, tuple[float, str, str]] = {}
        for policy, pods in tuple(self._pods.items()):
            for pod, (at, le) in pods.items():
                newest[pod] = max(newest.get(pod, (at, le, policy)), (at, le, policy))
        family = GaugeMetricFamily(self.name, self.text, labels=("policy", "target_pod", "le"))
        for pod, (_, le, policy) in newest.items():
            family.add_metric((policy, pod, le), 1.0)
        yield family


def bound(queue_wait_seconds: float) -> str:
    """The smallest bound of vLLM's histogram that is not below the queue wait, so that what is above it was late for certain."""
    return str(QUEUE_TIME_BOUNDS_SECONDS[bisect_left(QUEUE_TIME_BOUNDS_SECONDS[:-1], queue_wait_seconds)])
