"""One service under way: its pilot, what is known of its target, and the inputs of its next decision."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from autoscaler.control.supply import endpoints, supply
from autoscaler.kube.objects import Key, Object
from autoscaler.kube.scale import Scale
from autoscaler.kube.watches import Watches
from crds.schedules import windows
from crds.workload import Workload
from forecasting.pilot import Pilot
from policies.engine import restarted
from policies.ladder import Rung, lead_seconds
from policies.model import Inputs, Plan, PodSample, StepResult, Supply

STALE_CLUSTER_SECONDS = 60.0  # after which the last good content of the API is no longer taken for what is there


@dataclass
class PolicyRuntime:
    """A service and all that the loop keeps of it. The loop is its only writer."""

    workload: Workload
    pilot: Pilot
    ready: bool = False  # its history is read, or cannot be
    scale: Scale | None = None
    template: Object | None = None
    filled: Mapping[str, PodSample] = field(default_factory=dict)  # by pod name, from Prometheus, where a scrape failed
    result: StepResult | None = None
    plan: Plan | None = None  # the last one
    before: Plan | None = None  # the one before it
    problem: str = ""  # why the policy's newest form cannot be followed; its last good one is

    @property
    def key(self) -> str:
        """namespace/name of the policy."""
        return f"{self.workload.namespace}/{self.workload.name}"

    def restart(self, now_seconds: float) -> None:
        """Take what runs as decided, and let nothing fall until one hold has passed."""
        self.pilot.state = restarted(self.pilot.policy, self.pilot.state, now_seconds)

    def urls(self, watches: Watches) -> dict[Key, str]:
        """Where its pods are scraped."""
        found = endpoints(self.workload, self.scale, watches.pods(self.workload.namespace))
        return {Key(self.workload.namespace, pod): url for pod, url in found.items()}

    def supply(self, watches: Watches, now_seconds: float) -> Supply | None:
        """What there is of it; None (unknown) also where the API has been away for too long."""
        pods, jobs = watches.pods(self.workload.namespace), watches.jobs(self.workload.namespace)
        away = [store.stale_since for store in (pods, jobs) if store.stale_since is not None]
        lost = any(now_seconds - since > STALE_CLUSTER_SECONDS for since in away)
        return None if lost else supply(self.workload, self.scale, pods, jobs)

    def inputs(
        self, watches: Watches, scraped: Mapping[Key, PodSample], now_seconds: float, *, on_grid: bool
    ) -> Inputs:
        """All that one decision is made from, but for the forecast."""
        namespace = self.workload.namespace
        names = sorted(endpoints(self.workload, self.scale, watches.pods(namespace)))
        samples = (newest(scraped.get(Key(namespace, name)), self.filled.get(name)) for name in names)
        lead = lead_seconds(self.workload.policy, Rung.REQUESTED)
        return Inputs(
            now_seconds=now_seconds,
            on_grid=on_grid,
            samples=tuple(sample for sample in samples if sample is not None),
            supply=self.supply(watches, now_seconds),
            windows=windows(self.workload.schedules, now_seconds, lead),
        )


def newest(scraped: PodSample | None, filled: PodSample | None) -> PodSample | None:
    """The younger of two samples of a pod."""
    found = [sample for sample in (scraped, filled) if sample is not None]
    return max(found, key=lambda sample: sample.at_seconds, default=None)
