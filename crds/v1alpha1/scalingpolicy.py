"""ScalingPolicy: its fields, its rules, its columns. Docstrings are what `kubectl explain` shows."""

import re
from typing import Annotated, Literal, get_args

from pydantic import Field

from crds.notation import units
from crds.profiles import DEFAULT_PROFILE
from crds.resolve.rules import Rule, duration_between, quantity_between
from crds.v1alpha1.fetching import FETCHING_RULES, Image, Weights
from crds.v1alpha1.fields import (
    ClockTime,
    Duration,
    Label,
    Model,
    Percent,
    Quantity,
    TimeZone,
)
from crds.v1alpha1.metrics import METRICS_RULES, Metrics
from crds.v1alpha1.resource import Column, Condition, Count, NamespacedMetadata, Resource, Timestamp
from crds.v1alpha1.target import TARGET_RULES, Target

LONGEST_NAME = 54  # KEDA names the HPA keda-hpa-NAME, which may have 63 characters
SIGNALS = ("Work", "Concurrency")
MOST_SCHEDULES = 16
_UTILISATION = "gpu|dcgm|util|cpu|memory"
_REFUSED = re.compile(f"{_UTILISATION}|running")
Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
Replicas = Annotated[int, Field(ge=0, le=10_000)]


class Slo(Model):
    """Service level objective: at least the share `attainment` of the requests waits no longer than `queueWait` before it runs."""

    queue_wait: Duration = Field(default="5s", examples=["5s"])
    """How long a request may wait in the engine's queue, from 100ms to 1h."""
    attainment: Percent = Field(default="99%", examples=['"99%"'])
    """Share of the requests that must wait no longer than queueWait, from 50% to 99.99%. A higher share keeps more capacity
    in reserve: on public traffic 99.9% costs 6 to 15% more than 99%, and 95% costs 3 to 10% less."""


class Engine(Model):
    """How fast one replica serves. Overrides the profile's figures until Outrider has learned them from the workload."""

    prefill_tokens_per_second: Quantity | None = Field(default=None, examples=["20k"])
    """Prompt tokens that one replica reads per second while it does nothing else."""
    decode_seconds_per_token: Quantity | None = Field(default=None, examples=["200u"])
    """Seconds of one replica's time per generated token at a full batch; u means a millionth."""
    max_concurrency: Annotated[int, Field(ge=1, le=65_536)] | None = Field(default=None, examples=[256])
    """Requests that one replica runs at once (vLLM's --max-num-seqs, or fewer if memory runs out first)."""


class StageTimes(Model):
    """How long one stage of a cold start takes."""

    p50: Duration = Field(examples=["90s"])
    """Median, 1s or more."""
    p95: Duration = Field(examples=["4m"])
    """95th percentile, from p50 to 1h."""


class ColdStart(Model):
    """How long each stage of a cold start takes. A stage that is left out takes as long as the profile says."""

    node: StageTimes | None = None
    """From requesting a node until its kubelet has registered it; without gpu, until its GPU can be allocated."""
    gpu: StageTimes | None = None
    """From the node's registration until its GPU can be allocated: driver and device plugin."""
    image: StageTimes | None = None
    """Pulling and unpacking the image."""
    weights: StageTimes | None = None
    """Copying the model's weights to the node's disk."""
    warmup: StageTimes | None = None
    """From starting the process until it is ready to serve."""


class ScaleUp(Model):
    """Limits on scaling up."""

    max_replicas_per_minute: Annotated[int, Field(ge=1, le=10_000)] | None = Field(default=None, examples=[20])
    """Replicas that may be added per minute. Unset: no limit."""


class ScaleDown(Model):
    """Limits on scaling down. Removing a pod ends the requests that run on it, unless the engine drains."""

    hold: Duration | None = Field(default=None, examples=["10m"])
    """Stabilization window: how long capacity is kept after it was last needed, up to 24h. Unset: as long as a new replica
    takes to start."""
    max_percent_per_minute: int = Field(default=25, ge=1, le=100, examples=[25])
    """Percentage of the replicas that may be removed per minute; one replica may always be removed."""


class Schedule(Model):
    """A weekly window with a minimum of its own; the replicas are ready when it opens."""

    name: Label = Field(examples=["weekday-mornings"])
    """Name of the window, unique within the policy."""
    days: list[Day] = Field(
        default=list(get_args(Day)),
        min_length=1,
        max_length=7,
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    """Days on which the window opens: Mon, Tue, Wed, Thu, Fri, Sat, Sun. Unset: every day."""
    start: ClockTime = Field(examples=['"08:30"'])
    """When the window opens, as HH:MM in local time."""
    end: ClockTime = Field(examples=['"18:00"'])
    """When the window closes, as HH:MM in local time, up to 24:00. A time before the start is on the next day."""
    time_zone: TimeZone = Field(default="UTC", examples=["Europe/Berlin"])
    """Time zone by its name in the IANA database."""
    min_replicas: int = Field(ge=1, le=10_000, examples=[4])
    """Minimum number of replicas while the window is open."""


class Spec(Model):
    """What to scale, the service level to keep, and the bounds to stay within."""

    target: Target
    """The workload to scale: any object in the policy's namespace that has a /scale subresource."""
    slo: Slo = Field(default_factory=Slo, json_schema_extra={"default": {}})
    """Service level objective: at least the share `attainment` of the requests waits no longer than `queueWait` before it runs."""
    min_replicas: Replicas = 1
    """Minimum number of replicas, 1 or more: with zero pods there is no signal of demand."""
    max_replicas: int = Field(ge=1, le=10_000, examples=[8])
    """Maximum number of replicas."""
    mode: Literal["Active", "Shadow"] = "Active"
    """Active: decisions are carried out. Shadow: decisions are only reported, in the status."""
    signal: str = Field(default="Work", max_length=63, examples=["Work"])
    """How demand is measured. Work: arrivals weighted by their tokens. Concurrency: running and waiting requests."""
    pool: Label | None = Field(default=None, examples=["h100"])
    """GPUPool that the workload's GPUs belong to. It grows within what the pool grants, and while the pool does not exist it does
    not grow. Unset: no pool."""
    profile: Literal[
        "8b-l4",
        "8b-a10g",
        "8b-l40s",
        "8b-a100",
        "8b-h100",
        "8b-h200",
        "8b-b200",
        "70b-tp4-a100",
        "70b-tp4-h100",
        "70b-tp2-h200",
        "70b-tp2-b200",
    ] = DEFAULT_PROFILE
    """Model class and GPU. The profile's speed is used until Outrider has learned the workload's own. Its cold start and
    price are used unless the policy gives others. The default is the slowest, so that uncertainty means more capacity, not
    less."""
    engine: Engine | None = None
    """How fast one replica serves, if you know it better than the profile."""
    cold_start: ColdStart | None = None
    """How long a cold start takes, if you know it better than the profile. In a replay, Outrider plans with it, while
    the simulated hardware keeps the profile's cold start."""
    image: Image = Field(default_factory=Image, json_schema_extra={"default": {}})
    """How the image of the target's pods comes to the nodes."""
    weights: Weights = Field(
        default_factory=Weights, json_schema_extra={"default": {"method": "none"}}
    )  # as its rules need
    """How the model's weights come to the nodes."""
    price_per_gpu_hour: Quantity | None = Field(default=None, examples=['"2.50"'])
    """Price of one GPU for an hour in US dollars, from 0.001 to 1000. Unset: the profile's on-demand price."""
    gpus_per_replica: Annotated[int, Field(ge=1, le=64)] | None = Field(default=None, examples=[1])
    """GPUs per replica. Unset: the profile's (4 with `tp4` in its name, 2 with `tp2`, else 1)."""
    metrics: Metrics = Field(default_factory=Metrics, json_schema_extra={"default": {}})
    """Where each pod of the target serves vLLM's metrics."""
    scale_up: ScaleUp | None = None
    """Limits on scaling up."""
    scale_down: ScaleDown = Field(default_factory=ScaleDown, json_schema_extra={"default": {}})
    """Limits on scaling down."""
    max_prepared_nodes: int = Field(default=0, ge=0, le=1000)
    """GPU nodes that may be held for future replicas, with the image on them. With 0, more replicas run instead, enough to
    cover the longer lead time. Where the GPUs belong to this workload alone, that costs the same and serves better."""
    schedules: list[Schedule] = Field(
        default=[],
        max_length=MOST_SCHEDULES,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    """Weekly windows with a minimum of their own. Where windows of different time zones overlap, the higher one applies."""


class Capability(Model):
    """Whether one of the means that the policy asks for works here."""

    name: Literal["PreparedNodes", "StandbyNodes", "ImagePrePull", "Weights"]
    """PreparedNodes: spec.maxPreparedNodes. StandbyNodes: those of spec.pool. ImagePrePull: spec.image.prePull. Weights:
    spec.weights."""
    works: bool
    """Whether it does what it can. Where it does not, a replica takes longer to start, and decisions count on that."""
    message: Annotated[str, Field(max_length=1024)]
    """What it does, or why it does not work."""


class Status(Model):
    """What the controller observed and decided."""

    conditions: list[Condition] | None = Field(
        default=None,
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    """Ready: the policy is valid and its target exists. Decided: the last decision is recent.
    MetricsRead: the metrics of every ready pod are read. ForecastUsed: the forecast would have saved GPU-hours over the last days.
    ColdStartMeasured: starts of replicas were seen, and the cold start is learned from them."""
    capabilities: list[Capability] | None = Field(
        default=None,
        max_length=8,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    """Whether what shortens a start, and the policy asks for, works here, and why not."""
    observed_generation: Count | None = None
    """Generation of the policy that was last read."""
    mode: Literal["Active", "Shadow"] | None = None
    """Mode in which the last decision was made."""
    desired_replicas: Count | None = None
    """Replicas decided on; in mode Shadow, what would have been requested."""
    current_replicas: Count | None = None
    """Replicas that the target is set to run."""
    prepared_nodes: Count | None = None
    """Prepared GPU nodes decided on; in mode Shadow, what would have been held."""
    demand_replicas: Quantity | None = None
    """Demand in replicas. Absent while unknown."""
    waiting_requests: Count | None = None
    """Requests waiting in the engines' queues. Absent while unknown."""
    last_decision_time: Timestamp | None = None
    """When the last decision was made."""
    message: Annotated[str, Field(max_length=1024)] | None = None
    """The last decision and its reasons, in a sentence."""


class ScalingPolicy(Resource):
    """ScalingPolicy states the service level of an LLM workload and the bounds within which Outrider may scale it.

    Outrider forecasts the workload's demand, prepares GPU nodes ahead of it, and sets the number of replicas through KEDA.
    """

    kind: Literal["ScalingPolicy"] = Field(examples=["ScalingPolicy"])
    metadata: NamespacedMetadata
    spec: Spec
    status: Status = Field(default_factory=Status)


INTRODUCTION = """\
A policy needs a target and a maximum; it is best to state the service level too:

```yaml
apiVersion: outrider.dev/v1alpha1
kind: ScalingPolicy
metadata:
  name: chat
spec:
  target: {name: chat-vllm}
  slo: {queueWait: 5s, attainment: "99%"}
  maxReplicas: 24
```

`outrider check FILE` checks policies offline, in files or in all files of a folder. It lists every problem, and warns of what is
valid but contradicts itself, such as more prepared nodes than replicas. `outrider scaledobject -f FILE` prints the KEDA ScaledObject
for a policy, which has the policy's name.
"""

COLUMNS = (
    Column("Mode", "string", ".spec.mode", "Active: decisions are carried out; Shadow: only reported"),
    Column("Target", "string", ".spec.target.name", "The workload that is scaled"),
    Column("Min", "integer", ".spec.minReplicas", "Minimum number of replicas"),
    Column("Max", "integer", ".spec.maxReplicas", "Maximum number of replicas"),
    Column("Current", "integer", ".status.currentReplicas", "Replicas that the target is set to run"),
    Column("Desired", "integer", ".status.desiredReplicas", "Replicas decided on"),
    Column("Prepared", "integer", ".status.preparedNodes", "GPU nodes held with the image on them"),
    Column(
        "Ready", "string", ".status.conditions[?(@.type=='Ready')].status", "The policy is valid and its target exists"
    ),
    Column("Decided", "date", ".status.lastDecisionTime", "Time since the last decision"),
    Column("Age", "date", ".metadata.creationTimestamp"),
    Column("Demand", "string", ".status.demandReplicas", "Demand in replicas", wide=True),
    Column("Waiting", "integer", ".status.waitingRequests", "Requests waiting in the engines' queues", wide=True),
    Column("Message", "string", ".status.message", "The last decision and its reasons", wide=True),
)


def _stage_rules(at: str) -> tuple[Rule, ...]:
    return (
        duration_between(at, "p50", "1s", "1h"),
        Rule(
            at,
            "p95",
            "duration(self.p95) >= duration(self.p50) && duration(self.p95) <= duration('1h')",
            "below p50, or above 1h",
            "a duration from p50 to 1h",
            lambda it: units.seconds(it["p50"]) <= units.seconds(it["p95"]) <= units.seconds("1h"),
        ),
    )


RULES = (
    Rule(
        "",
        "metadata.name",
        f"self.metadata.name.size() <= {LONGEST_NAME}",
        "the name is too long: KEDA names the HPA keda-hpa-NAME, which may have 63 characters at most",
        f"a name of at most {LONGEST_NAME} characters",
        lambda policy: len(policy["metadata"]["name"]) <= LONGEST_NAME,
    ),
    Rule(
        "spec",
        "signal",
        f"!self.signal.lowerAscii().matches('{_UTILISATION}')",
        "utilisation does not measure load: an LLM engine keeps its GPU as busy with one request as with a hundred, and "
        "requests that wait do not show in it",
        "Work, or Concurrency if the engine does not count tokens",
        lambda spec: re.search(_UTILISATION, spec["signal"].lower()) is None,
        unknown=_UTILISATION,
    ),
    Rule(
        "spec",
        "signal",
        "!self.signal.lowerAscii().contains('running')",
        "running requests alone do not measure load: they stop rising at the engine's batch limit, just when more replicas "
        "are needed, and requests that wait are not among them",
        "Work, or Concurrency, which counts running and waiting requests",
        lambda spec: "running" not in spec["signal"].lower(),
    ),
    Rule(
        "spec",
        "signal",
        f"self.signal in ['Work', 'Concurrency'] || self.signal.lowerAscii().matches('{_REFUSED.pattern}')",
        "there is no such signal",
        "Work or Concurrency",
        lambda spec: spec["signal"] in SIGNALS or _REFUSED.search(spec["signal"].lower()) is not None,
    ),
    Rule(
        "spec",
        "minReplicas",
        "self.minReplicas >= 1",
        "with zero pods there is no signal of demand, so nothing would ever start the workload again",
        "1 or more",
        lambda spec: spec["minReplicas"] >= 1,
    ),
    Rule(
        "spec",
        "minReplicas",
        "self.minReplicas <= self.maxReplicas",
        "minReplicas is above maxReplicas",
        "a number up to maxReplicas",
        lambda spec: spec["minReplicas"] <= spec["maxReplicas"],
    ),
    Rule(
        "spec",
        "schedules",
        "self.schedules.all(window, window.minReplicas <= self.maxReplicas)",
        "a window's minReplicas is above maxReplicas",
        "a minReplicas up to maxReplicas",
        lambda spec: all(window["minReplicas"] <= spec["maxReplicas"] for window in spec["schedules"]),
        culprits=lambda spec: [
            i for i, window in enumerate(spec["schedules"]) if window["minReplicas"] > spec["maxReplicas"]
        ],
        culprit="minReplicas",
    ),
    Rule(
        "spec.schedules[]",
        "end",
        "self.start != self.end",
        "start and end are the same time",
        'a different end; for a whole day, write start "00:00" and end "24:00"',
        lambda window: window["start"] != window["end"],
    ),
    *TARGET_RULES,
    *METRICS_RULES,
    *FETCHING_RULES,
    duration_between("spec.slo", "queueWait", "100ms", "1h"),
    duration_between("spec.scaleDown", "hold", "0s", "24h"),
    quantity_between("spec.engine", "prefillTokensPerSecond", "1", "10M"),
    quantity_between("spec.engine", "decodeSecondsPerToken", "1u", "10"),
    quantity_between("spec", "pricePerGpuHour", "0.001", "1000"),
    *(
        rule
        for stage in ("node", "gpu", "image", "weights", "warmup")
        for rule in _stage_rules(f"spec.coldStart.{stage}")
    ),
)
