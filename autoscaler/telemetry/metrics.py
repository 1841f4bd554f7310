"""Every metric that Outrider exports, on its own registry. `autoscaler.reference` makes a page from the declarations."""

from dataclasses import dataclass
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from autoscaler.telemetry.collectors import Age, SloPods
from policies.learner import FAILING
from policies.model import Verdict
from policies.pool import Limit
from policies.starts import Part

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
_POOL = {"pool": "name of the GPUPool"}
_PER_POOL: list[Gauge | Counter] = []


def _counter(name: str, text: str, labels: dict[str, str]) -> Counter:
    DECLARED.append(Declared(name, "counter", text, labels))
    counter = Counter(name, text, tuple(labels), registry=REGISTRY)
    if _POLICY.items() <= labels.items():
        _PER_POLICY.append(counter)
    if _POOL.items() <= labels.items():
        _PER_POOL.append(counter)
    return counter


def _pool_gauge(name: str, text: str, labels: dict[str, str] = _POOL) -> Gauge:
    DECLARED.append(Declared(name, "gauge", text, labels))
    gauge = Gauge(name, text, tuple(labels), registry=REGISTRY)
    _PER_POOL.append(gauge)
    return gauge


def _policy_gauge(name: str, text: str, labels: dict[str, str] = _POLICY) -> Gauge:
    DECLARED.append(Declared(name, "gauge", text, labels))
    gauge = Gauge(name, text, tuple(labels), registry=REGISTRY)
    _PER_POLICY.append(gauge)
    return gauge


def _histogram(name: str, text: str, buckets: tuple[float, ...], labels: dict[str, str] | None = None) -> Histogram:
    DECLARED.append(Declared(name, "histogram", text, labels or {}))
    return Histogram(name, text, tuple(labels or {}), buckets=buckets, registry=REGISTRY)


_Computed = TypeVar("_Computed", Age, SloPods)


def _computed(collector: _Computed, labels: dict[str, str] = _POLICY) -> _Computed:
    DECLARED.append(Declared(collector.name, "gauge", collector.text, labels))
    REGISTRY.register(collector)
    return collector


DECISION_AGE = _computed(
    Age(
        "outrider_decision_age_seconds",
        "Age of the policy's last decision, in scenario seconds. A decision is made every 15 s. From 60 s on KEDA gets no "
        "value, and the number of replicas stays as it is.",
    )
)
STATE_AGE = _computed(
    Age(
        "outrider_state_age_seconds",
        "Age of what is saved of the policy's state, in scenario seconds; before the first save, how long the policy has been "
        "followed. A state is saved every 30 s. Not exported without a folder for states.",
    )
)
SLO_PODS = _computed(
    SloPods(
        "outrider_slo_pod_info",
        "1 for each pod that has served for the policy within the last hour. Joins vLLM's own queue-time histogram to the policy.",
    ),
    {
        **_POLICY,
        "target_pod": "namespace/name of the pod",
        "le": "the smallest bucket of `vllm:request_queue_time_seconds` that is not below the policy's `slo.queueWait`",
    },
)
SLO_ATTAINMENT = _policy_gauge(
    "outrider_slo_attainment_ratio", "Share of the requests that must wait no longer than the policy's `slo.queueWait`."
)
SLO_QUEUE_WAIT = _policy_gauge("outrider_slo_queue_wait_seconds", "The policy's `slo.queueWait`.")
POLICY_READY = _policy_gauge(
    "outrider_policy_ready",
    "1 while the condition `Ready` of the policy's status is True; 0 while the policy is refused, or its target cannot be read.",
)
POD_READINGS = _policy_gauge(
    "outrider_pod_readings",
    "Pods of the target by what their last reading is worth.",
    {**_POLICY, "verdict": ", ".join(f"`{each}`" for each in Verdict)},
)
COVERAGE = _policy_gauge(
    "outrider_coverage_ratio",
    "Share of the serving pods whose reading counts. Below 1, demand is a lower bound, and replicas are not lowered.",
)
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
MIN_REPLICAS = _policy_gauge("outrider_min_replicas", "The policy's `minReplicas`.")
MAX_REPLICAS = _policy_gauge("outrider_max_replicas", "The policy's `maxReplicas`.")
PREPARED_NODES = _policy_gauge(
    "outrider_prepared_nodes", "Prepared nodes (GPU held, image pulled) that the last decision asks for."
)
DEMAND_REPLICAS = _policy_gauge(
    "outrider_demand_replicas", "Demand as last measured, in replicas. NaN while it is unknown."
)
FORECAST_PROVEN = _policy_gauge(
    "outrider_forecast_proven",
    "1 while the forecast has saved GPU-hours over the last days, so that it is used; else 0.",
)
BALLOONS = _policy_gauge(
    "outrider_balloons",
    "Balloons that exist, each of which prepares a node.",
    {**_POLICY, "state": "`prepared` (its node is up and has the image) or `preparing`"},
)
_KIND = {"kind": "`image` (pulled) or `weights` (copied by a prefetch)"}
FETCHES = _counter(
    "outrider_fetches_total",
    "Jobs that brought an image or weights to a node ahead of replicas, as they ended. Of a policy that asks for none there is no "
    "series.",
    {**_POLICY, **_KIND, "outcome": "`done` (the node has it) or `failed` (it could not be pulled or copied)"},
)
FETCHED_NODES = _policy_gauge(
    "outrider_fetched_nodes",
    "Nodes to which the policy's Jobs have brought what they bring, and on which they keep it.",
    {**_POLICY, **_KIND},
)
FETCHED_BYTES = _policy_gauge(
    "outrider_fetch_reserved_bytes",
    "What the policy's Jobs take on the disks of all nodes, or will once they are done: images unpacked (30 GB where no node lists "
    "the image yet), and for weights the `maxBytes` of the cache on each node.",
    {**_POLICY, **_KIND},
)
STEP_SECONDS = _histogram(
    "outrider_step_seconds",
    "Wall-clock time of one decision for one policy, from samples to plan.",
    (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.1, 1.0),
)
STAGE_SECONDS = _histogram(
    "outrider_coldstart_stage_seconds",
    "How long each part of a replica's start took, of starts that came to serve. A part that could not be seen is not counted.",
    (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 180.0, 300.0, 450.0, 600.0, 900.0, 1800.0),
    {
        "stage": ", ".join(f"`{part}`" for part in Part),
        "path": "how it came about: `pulled`, `present` (the image was there), `existing` (the node was there), `hit` or `miss`"
        " (the compile cache); empty where there is one way only, or it is unknown",
    },
)
_FAILING = {"stage": ", ".join(f"`{part}`" for part in FAILING)}
STAGE_FAILURES = _counter(
    "outrider_coldstart_failures_total",
    "Parts of starts that failed: machines that were not to be had (NodeClaims that Karpenter deleted before their launch, or a "
    "wait of more than 15 min), images that could not be pulled, and engines that crashed before they served.",
    _FAILING,
)
FAILURE_RATIO = _policy_gauge(
    "outrider_coldstart_failure_ratio",
    "Probability that the next start of a replica fails at this stage, by what was seen of such starts; 0.02 before any was. "
    "Not exported where cold starts are not learned.",
    {**_POLICY, **_FAILING},
)
REMAINING_SECONDS = _policy_gauge(
    "outrider_coldstart_remaining_seconds",
    "How long it is expected to take until every replica that is starting now serves; 0 where none is. NaN while it is unknown.",
    {**_POLICY, "quantile": "`0.5` or `0.95`"},
)
LATE_REPLICAS = _policy_gauge(
    "outrider_late_replicas",
    "Replicas that wait for a node, or to serve on one, for longer than 19 of 20 do. NaN while it is unknown.",
)
HIDDEN_SECONDS = _counter(
    "outrider_coldstart_hidden_seconds_total",
    "Seconds of the parts of starts that passed while another part of the same start was under way.",
    {},
)
FAILURES = _counter(
    "outrider_failures_total",
    "Turns of a part of Outrider that ended in an error of its own. The last decision and what was done stay as they are.",
    {**_POLICY, "part": "`decision`, `policy` (taking a new version of it) or the part's name, such as `Reporter`"},
)
DECISION_LOG_ERRORS = _counter(
    "outrider_decision_log_errors_total", "Decisions that could not be written to the decision log.", {}
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
POOL_STATE_REFUSED = _counter(
    "outrider_pool_state_refused_total",
    "Saved states of pools that could not be used at the start. Such a pool starts without its state, and counts its spend from what "
    "the pool's status says.",
    {"pool": "name of the GPUPool", "reason": "as of `outrider_state_refused_total`"},
)
SOURCE_ANSWERS = _counter(
    "outrider_source_answers_total",
    "Turns in which a source answered, by policy. 0 means that it was asked and has never worked since the start.",
    {
        **_POLICY,
        "source": "`pods` (scraped, or by Prometheus), `prometheus` (instant query) or `history` (read at start)",
    },
)
SOURCE_ERRORS = _counter(
    "outrider_source_errors_total",
    "Readings that failed. The last good one is used until it is too old.",
    {
        "source": "`vllm` (scrape of a pod), `prometheus` (instant query) or `history` (read at start)",
        "kind": "`timeout`, `connection`, `status`, `body`, `query`, `partial` or `process`",
    },
)
READER_FAULTS = _counter(
    "outrider_reader_faults_total",
    "Reader processes that failed and were replaced. Until another one reads, the last samples of its pods age.",
    {
        "reason": "`start` (it could not be started), `ended` (by itself, or killed), `silent` (it did not report in time) or"
        " `report` (it sent what cannot be read)"
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


_OFFERING = {**_POOL, "offering": "name of the offering"}
POOL_READY = _pool_gauge("outrider_pool_ready", "1 while the pool's newest version is valid and in use, else 0.")
POOL_GPUS = _pool_gauge(
    "outrider_pool_gpus",
    "GPUs of the pool as of its last decision.",
    {
        **_POOL,
        "state": "`held` (by members), `granted`, `refused` (asked for and not granted), `limit` (NaN without one) or"
        " `other` (held by pods of no member)",
    },
)
POOL_STANDBY = _pool_gauge(
    "outrider_pool_standby_nodes",
    "Standby nodes of the pool.",
    {**_POOL, "state": "`decided`, `ready` (a replica can start there) or `in_flight`. NaN while it is unknown"},
)
POOL_NODES = _pool_gauge(
    "outrider_pool_nodes", "Nodes of the offering that exist, whoever holds them. NaN while it is unknown.", _OFFERING
)
POOL_RESTING = _pool_gauge(
    "outrider_pool_offering_resting",
    "1 while the offering is not asked for nodes, since it lately gave none; else 0.",
    _OFFERING,
)
POOL_LEAVING = _pool_gauge(
    "outrider_pool_leaving_nodes", "Nodes with replicas of members that were given notice, such as spot nodes."
)
POOL_USD_PER_HOUR = _pool_gauge(
    "outrider_pool_usd_per_hour", "What the pool costs now, in US dollars an hour. NaN while it is unknown."
)
POOL_USD_TODAY = _pool_gauge(
    "outrider_pool_usd_today",
    "What the pool has cost since the day began, in US dollars, and what it comes to by the day's end.",
    {**_POOL, "state": "`spent`, `forecast` (NaN while it is unknown) or `limit` (NaN without one)"},
)
POOL_REFUSALS = _counter(
    "outrider_pool_refusals_total",
    "Decisions in which a member got less than it asked for, by the limit that refused it.",
    {**_POOL, "limit": ", ".join(f"`{each}`" for each in Limit)},
)
POOL_FAILURES = _counter(
    "outrider_pool_failures_total",
    "Turns of a part of Outrider for a pool that ended in an error of its own. Its members keep what they have meanwhile.",
    {**_POOL, "part": "`decision`, `pool` (taking a new version of it) or the part's name, such as `StandbyKeeper`"},
)

_SPENT = {
    "namespace": "namespace of the ScalingPolicy",
    **_POLICY,
    "model_name": "name of the model on vLLM's own series, where the arguments in the target's pod template say it; else empty",
}
_MODEL_NAMES: dict[str, str] = {}  # by policy: that of its series
_BASIS = {"cost_basis": "`allocation` (what was held) or `usage` (what demand kept busy of it), as OpenCost has them"}
GPU_SECONDS = _counter(
    "outrider_gpu_seconds_total",
    "GPU-seconds of the workload by what they were for. What is not known counts as what it was last known to be.",
    {
        **_SPENT,
        "rung": "`serving`, `starting` (on a node, and not serving yet), `prepared` (its own prepared nodes) or `standby` (of a"
        " pool's nodes, before its replicas took them)",
        **_BASIS,
    },
)
COST = _counter(
    "outrider_cost_usd_total",
    "What the workload's GPUs cost, in US dollars: at the prices of its pool's offerings, else at the policy's.",
    {**_SPENT, **_BASIS},
)
POOL_GPU_SECONDS = _counter(
    "outrider_pool_gpu_seconds_total",
    "GPU-seconds of the pool by what they were for.",
    {
        **_POOL,
        "rung": "`serving` and `starting` (of members), `standby` (taken over by a member), `wasted` (standby that nobody took) or"
        " `idle` (nodes that nobody held)",
    },
)
POOL_COST = _counter(
    "outrider_pool_cost_usd_total", "What the pool's GPUs cost, in US dollars, those of its members included.", _POOL
)


def forget_pool(pool: str) -> None:
    """Remove every series of a pool that was deleted."""
    for metric in _PER_POOL:
        metric.remove_by_labels({"pool": pool})


def serves(policy: str, model_name: str) -> None:
    """Remove what was counted of a policy's earlier model, so that a target that is edited often leaves no series behind."""
    if _MODEL_NAMES.setdefault(policy, model_name) != model_name:
        for metric in (GPU_SECONDS, COST):
            metric.remove_by_labels({"policy": policy})
        _MODEL_NAMES[policy] = model_name


def follow(policy: str, now_seconds: float) -> None:
    """Begin the series that must be there before anything goes wrong: a counter that is born at 1 shows no increase."""
    FAILURES.labels(policy=policy, part="decision")
    STATE_AGE.happened(policy, now_seconds)


def forget(policy: str) -> None:
    """Remove every series of a policy that was deleted."""
    _MODEL_NAMES.pop(policy, None)
    for computed in (DECISION_AGE, STATE_AGE, SLO_PODS):
        computed.remove(policy)
    for metric in _PER_POLICY:
        metric.remove_by_labels({"policy": policy})
