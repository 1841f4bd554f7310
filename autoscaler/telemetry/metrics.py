"""Every metric that Outrider exports, on its own registry. `autoscaler.reference` makes a page from the declarations."""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from autoscaler.clock import Clock

# The _created series double every counter, and Prometheus does not use them.
disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY = CollectorRegistry()


@dataclass(frozen=True)
class Declared:
    """One metric as the reference page shows it."""

    name: str
    kind: str
    text: str
    labels: dict[str, str]  # label -> meaning


DECLARED: list[Declared] = []
_POLICY = {"policy": "namespace/name of the ScalingPolicy"}
_PER_POLICY: list[Gauge | Counter] = []


def _counter(name: str, text: str, labels: dict[str, str]) -> Counter:
    DECLARED.append(Declared(name, "counter", text, labels))
    counter = Counter(name, text, tuple(labels), registry=REGISTRY)
    if _POLICY.items() <= labels.items():
        _PER_POLICY.append(counter)
    return counter


def _policy_gauge(name: str, text: str, labels: dict[str, str] = _POLICY) -> Gauge:
    DECLARED.append(Declared(name, "gauge", text, labels))
    gauge = Gauge(name, text, tuple(labels), registry=REGISTRY)
    _PER_POLICY.append(gauge)
    return gauge


def _histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
    DECLARED.append(Declared(name, "histogram", text, {}))
    return Histogram(name, text, buckets=buckets, registry=REGISTRY)


class DecisionAge(Collector):
    """Age of each policy's last decision, computed at every scrape, so that it grows while the loop is stuck."""

    name = "outrider_decision_age_seconds"
    text = (
        "Age of the policy's last decision, in scenario seconds. A decision is made every 15 s. From 60 s on KEDA gets no "
        "value, and the number of replicas stays as it is."
    )

    def __init__(self) -> None:
        self._clock: Clock | None = None
        self._decided: dict[str, float] = {}

    def use(self, clock: Clock) -> None:
        """Measure ages on this clock. Until then no series is exported."""
        self._clock = clock

    def decided(self, policy: str, at_seconds: float) -> None:
        """Record the time of a decision."""
        self._decided[policy] = at_seconds

    def remove(self, policy: str) -> None:
        """Remove a policy that was deleted."""
        self._decided.pop(policy, None)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The ages at this moment."""
        family = GaugeMetricFamily(self.name, self.text, labels=tuple(_POLICY))
        if self._clock is not None:
            now = self._clock.now()
            for policy, at_seconds in tuple(self._decided.items()):
                family.add_metric((policy,), max(0.0, now - at_seconds))
        yield family


DECLARED.append(Declared(DecisionAge.name, "gauge", DecisionAge.text, _POLICY))
DECISION_AGE = DecisionAge()
REGISTRY.register(DECISION_AGE)

SIGNAL_UNKNOWN = _policy_gauge(
    "outrider_signal_unknown",
    "1 while no serving pod has a fresh sample, so that demand is unknown and replicas are not lowered; else 0.",
)
DESIRED_REPLICAS = _policy_gauge(
    "outrider_desired_replicas", "Replicas that the last decision asks for; in mode Shadow, would ask for."
)
CURRENT_REPLICAS = _policy_gauge(
    "outrider_current_replicas",
    "Replicas that the target is set to run, as the last decision saw it. NaN while it is unknown.",
)
PREPARED_NODES = _policy_gauge(
    "outrider_prepared_nodes", "Prepared nodes (GPU held, image pulled) that the last decision asks for."
)
DEMAND_REPLICAS = _policy_gauge(
    "outrider_demand_replicas", "Demand as last measured, in replicas. NaN while it is unknown."
)
FORECAST_PROVEN = _policy_gauge(
    "outrider_forecast_proven",
    "1 while the forecast has proved better than a naive one, so that it may be used; else 0.",
)
BALLOONS = _policy_gauge(
    "outrider_balloons",
    "Balloons that exist, each of which prepares a node.",
    {**_POLICY, "state": "`prepared` (its node is up and has the image) or `preparing`"},
)
STEP_SECONDS = _histogram(
    "outrider_step_seconds",
    "Wall-clock time of one decision for one policy, from samples to plan.",
    (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.1, 1.0),
)
STATE_REFUSED = _counter(
    "outrider_state_refused_total",
    "Saved states that could not be used at the start. Each such policy starts without its state, and its replicas are not "
    "lowered for the length of its hold.",
    {
        **_POLICY,
        "reason": "`unreadable` (a truncated file, or one that cannot be opened), `format` (another version wrote it) or"
        " `invalid` (it does not hold a state, or a number in it is not finite)",
    },
)
SOURCE_ERRORS = _counter(
    "outrider_source_errors_total",
    "Readings that failed. The last good one is used until it is too old.",
    {
        "source": "`vllm` (scrape of a pod), `prometheus` (instant query) or `history` (read at start)",
        "kind": "`timeout`, `connection`, `status`, `body`, `query` or `partial`",
    },
)
KUBE_ERRORS = _counter(
    "outrider_kube_errors_total",
    "Calls to the Kubernetes API that failed.",
    {"kind": "kind of error, such as `Unavailable`, `Conflict` or `Forbidden`"},
)
SCALER_REQUESTS = _counter(
    "outrider_scaler_requests_total",
    "Calls to the external scaler that were answered.",
    {"method": "gRPC method, such as `GetMetrics`", "code": "gRPC status, such as `OK` or `UNAVAILABLE`"},
)


def forget(policy: str) -> None:
    """Remove every series of a policy that was deleted."""
    DECISION_AGE.remove(policy)
    for metric in _PER_POLICY:
        metric.remove_by_labels({"policy": policy})
