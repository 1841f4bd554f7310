"""Fills the gaps of scraping: asks Prometheus for the pods of which no scrape has brought a sample lately."""

from autoscaler.clock import Clock
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.sources.prometheus import Prometheus
from autoscaler.sources.scrape import Scraper
from autoscaler.telemetry import metrics

GAP_SECONDS = 10.0  # how old the scraped sample of a pod may be before Prometheus is asked


class GapFiller:
    """Without a gap nothing is asked."""

    def __init__(self, scraper: Scraper, prometheus: Prometheus, clock: Clock) -> None:
        self._scraper = scraper
        self._prometheus = prometheus
        self._clock = clock

    async def run(self, runtime: PolicyRuntime) -> None:
        """Fill one policy's gaps."""
        now_seconds = self._clock.now()
        missing = [
            pod.name
            for pod in runtime.endpoints()
            if (sample := self._scraper.latest.get(pod)) is None or now_seconds - sample.at_seconds > GAP_SECONDS
        ]
        namespace = runtime.workload.namespace
        if not missing:
            runtime.offer_filled({})
            return
        runtime.offer_filled(await self._prometheus.samples(namespace, missing))
        answered = self._prometheus.answers(namespace)
        metrics.SOURCE_ANSWERS.labels(policy=runtime.key, source="prometheus").inc(int(answered))
