"""Fills the gaps of scraping: asks Prometheus for the pods of which no scrape has brought a sample lately."""

from autoscaler.clock import Clock
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.sources.prometheus import Prometheus
from autoscaler.sources.scrape import Scraper
from autoscaler.telemetry import metrics
from policies.model import PodSample

GAP_SECONDS = 10.0  # how old the scraped sample of a pod may be before Prometheus is asked


class GapFiller:
    """Without a gap nothing is asked."""

    def __init__(self, scraper: Scraper, prometheus: Prometheus, clock: Clock) -> None:
        self._scraper = scraper
        self._prometheus = prometheus
        self._clock = clock

    async def run(self, runtime: PolicyRuntime) -> None:
        """Fill one policy's gaps."""
        now_seconds, pods = self._clock.now(), runtime.endpoints()
        missing = [
            pod.name
            for pod in pods
            if (sample := self._scraper.latest.get(pod)) is None or now_seconds - sample.at_seconds > GAP_SECONDS
        ]
        # One that has never answered is asked for a pod, so that it is known to work before it is needed.
        asked = missing or [pod.name for pod in pods if not self._prometheus.has_answered][:1]
        found = await self._prometheus.samples(runtime.workload.namespace, asked) if asked else {}
        if asked:
            answered = self._prometheus.answers(runtime.workload.namespace)
            metrics.SOURCE_ANSWERS.labels(policy=runtime.key, source="prometheus").inc(int(answered))
        ports = len(runtime.workload.endpoint.ports)
        runtime.offer_filled({pod: found[pod] for pod in missing if pod in found and _covers(found[pod], ports)})


def _covers(sample: PodSample, ports: int) -> bool:
    """Whether a sample has an engine for every port: in Prometheus, two ports whose engines have one label look like one."""
    return ports == 1 or (sample.engines or 0) >= ports
