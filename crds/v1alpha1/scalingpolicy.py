"""ScalingPolicy: its fields, its rules, its columns. Docstrings are what `kubectl explain` shows."""

import re
from typing import Annotated, Literal, get_args

from pydantic import Field

from crds.notation import units
from crds.resolve.rules import Rule, duration_between, quantity_between
from crds.v1alpha1.fields import ClockTime, Duration, Label, Model, ObjectName, Percent, Quantity, TimeZone
from crds.v1alpha1.resource import Column, Condition, Count, Resource, Timestamp

LONGEST_NAME = 54  # KEDA calls the HPA of ScaledObject NAME keda-hpa-NAME, and that ends at 63
SIGNALS = ("Work", "Concurrency")
SCALABLE_APPS = ("Deployment", "StatefulSet", "ReplicaSet")
_UTILISATION = "gpu|dcgm|util|cpu|memory"
_REFUSED = re.compile(f"{_UTILISATION}|running")
Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
Replicas = Annotated[int, Field(ge=0, le=10_000)]


class Target(Model):
    """What is scaled: anything in the policy's namespace that has a /scale subresource."""

    api_version: str = Field(
        default="apps/v1", pattern=r"^([a-z0-9.-]+/)?v[0-9]+((alpha|beta)[0-9]+)?$", max_length=128
    )
    """API version of the target."""
    kind: str = Field(default="Deployment", pattern=r"^[A-Z][A-Za-z0-9]*$", max_length=63)
    """Kind of the target, such as Deployment, StatefulSet or LeaderWorkerSet."""
    name: ObjectName = Field(examples=["chat-vllm"])
    """Name of the target."""


class Slo(Model):
    """What is promised to users: a request waits at most `queueWait` before it runs, in `attainment` of all cases."""

    queue_wait: Duration = Field(default="5s", examples=["5s"])
    """How long a request may wait in the engine's queue, from 100ms to 1h."""
    attainment: Percent = Field(default="99%", examples=['"99%"'])
    """The share of requests that must keep to it, from 50% to 99.99%. The higher it is, the more is kept in reserve."""


class Engine(Model):
    """How fast one replica serves. Overrides the profile's figures, until they are learned from the service itself."""

    prefill_tokens_per_second: Quantity | None = Field(default=None, examples=["20k"])
    """Prompt tokens that one replica reads in a second while it does nothing else."""
    decode_seconds_per_token: Quantity | None = Field(default=None, examples=["200u"])
    """Seconds of one replica that one generated token takes at a full batch; u is a millionth."""
    max_concurrency: Annotated[int, Field(ge=1, le=65_536)] | None = Field(default=None, examples=[256])
    """Requests that one replica runs at once (vLLM's --max-num-seqs, or less where memory ends sooner)."""


class StageTimes(Model):
    """How long one stage of a cold start takes."""

    p50: Duration = Field(examples=["90s"])
    """Median, 1s or more."""
    p95: Duration = Field(examples=["4m"])
    """95th percentile, from p50 to 1h."""


class ColdStart(Model):
    """How long each stage of a cold start takes, for Outrider to plan with. A stage that is left out is the profile's."""

    node: StageTimes | None = None
    """From the request for a node until its GPU can be used."""
    image: StageTimes | None = None
    """Pulling and unpacking the image."""
    weights: StageTimes | None = None
    """Copying the model's weights to the node's disk."""
    warmup: StageTimes | None = None
    """From the start of the process until it serves."""


class Metrics(Model):
    """Where each pod of the target serves vLLM's metrics."""

    port: int = Field(default=8000, ge=1, le=65_535)
    """Port of the pod."""
    path: str = Field(default="/metrics", pattern=r"^/[^ ?#]*$", max_length=256, examples=["/metrics"])
    """Path of the metrics."""
    scheme: Literal["http", "https"] = "http"
    """http or https."""


class ScaleUp(Model):
    """Limits of growth."""

    max_replicas_per_minute: Annotated[int, Field(ge=1, le=10_000)] | None = Field(default=None, examples=[20])
    """Replicas that may be added in a minute. Unset: no limit."""


class ScaleDown(Model):
    """Limits of release. A scale-down ends what runs on a pod, unless the engine drains."""

    hold: Duration | None = Field(default=None, examples=["10m"])
    """How long capacity is kept after it was last needed, up to 24h. Unset: as long as a restart would take."""
    max_percent_per_minute: int = Field(default=25, ge=1, le=100, examples=[25])
    """Percentage of the replicas that may be released in a minute; one replica may always go."""


class Schedule(Model):
    """A weekly window with a minimum of replicas, ready when it opens."""

    name: Label = Field(examples=["weekday-mornings"])
    """Name of the window, unique in the policy."""
    days: list[Day] = Field(
        default=list(get_args(Day)),
        min_length=1,
        max_length=7,
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    """Days on which the window opens: Mon, Tue, Wed, Thu, Fri, Sat, Sun. Unset: every day."""
    start: ClockTime = Field(examples=['"08:30"'])
    """When it opens, as HH:MM in local time."""
    end: ClockTime = Field(examples=['"18:00"'])
    """When it closes, as HH:MM in local time, up to 24:00. Earlier than the start: on the next day."""
    time_zone: TimeZone = Field(default="UTC", examples=["Europe/Berlin"])
    """Name of the time zone in the IANA database."""
    min_replicas: int = Field(ge=1, le=10_000, examples=[4])
    """The minimum inside the window."""


class Spec(Model):
    """What shall be scaled, what is promised to users, and within which bounds."""

    target: Target
    """What is scaled: anything in the policy's namespace that has a /scale subresource."""
    slo: Slo = Field(default_factory=Slo, json_schema_extra={"default": {}})
    """What is promised to users: a request waits at most `queueWait` before it runs, in `attainment` of all cases."""
    min_replicas: Replicas = 1
    """Replicas that always run, 1 or more: no signal of demand exists at zero pods."""
    max_replicas: int = Field(ge=1, le=10_000, examples=[8])
    """Replicas that are never exceeded."""
    mode: Literal["Active", "Shadow"] = "Active"
    """Active acts. Shadow decides and tells in the status what it would have done, and acts on nothing."""
    signal: str = Field(default="Work", max_length=63, examples=["Work"])
    """What demand is measured by. Work: arrivals weighted by their tokens. Concurrency: running and waiting requests."""
    profile: Literal["8b-l4", "8b-a10g", "8b-h100", "70b-tp4-h100"] = "8b-l4"
    """Model class and GPU whose figures for speed and cold start are used until the service's own are learned.
    The default is the slowest, so that doubt means more capacity, not less."""
    engine: Engine | None = None
    """How fast one replica serves, where it is known better than by the profile."""
    cold_start: ColdStart | None = None
    """How long a cold start takes, where it is known better than by the profile. A replay plans with it too, while its
    simulated hardware keeps the profile's."""
    price_per_gpu_hour: Quantity | None = Field(default=None, examples=['"2.50"'])
    """What one GPU costs for an hour, in US dollars, from 0.001 to 1000. Unset: the profile's price on demand."""
    gpus_per_replica: Annotated[int, Field(ge=1, le=64)] | None = Field(default=None, examples=[1])
    """GPUs that one replica takes. Unset: the profile's (4 for 70b-tp4-h100, else 1)."""
    metrics: Metrics = Field(default_factory=Metrics, json_schema_extra={"default": {}})
    """Where each pod of the target serves vLLM's metrics."""
    scale_up: ScaleUp | None = None
    """Limits of growth."""
    scale_down: ScaleDown = Field(default_factory=ScaleDown, json_schema_extra={"default": {}})
    """Limits of release."""
    max_prepared_nodes: int = Field(default=0, ge=0, le=1000)
    """GPU nodes that may be held with the image on them for replicas that may come. 0: what the long lead asks for serves
    instead, which costs a lone service the same and serves better."""
    schedules: list[Schedule] = Field(
        default=[],
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    """Windows with a minimum of their own. Where windows of different time zones overlap, the higher minimum holds."""


class Status(Model):
    """What the controller saw and decided."""

    conditions: list[Condition] | None = Field(
        default=None,
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    """Ready: the policy is valid and its target is found. Decided: a decision is fresh."""
    observed_generation: Count | None = None
    """The generation of the policy that was read last."""
    mode: Literal["Active", "Shadow"] | None = None
    """The mode in which the last decision was made."""
    desired_replicas: Count | None = None
    """Replicas that were decided on; in mode Shadow, what would have been asked for."""
    current_replicas: Count | None = None
    """Replicas that the target is told to run."""
    prepared_nodes: Count | None = None
    """GPU nodes that were decided to be held; in mode Shadow, what would have been held."""
    demand_replicas: Quantity | None = None
    """Demand in replicas. Absent while it is unknown."""
    waiting_requests: Count | None = None
    """Requests that wait in the engines' queues. Absent while it is unknown."""
    last_decision_time: Timestamp | None = None
    """When the last decision was made."""
    message: Annotated[str, Field(max_length=1024)] | None = None
    """The last decision and its reason in a sentence."""


class ScalingPolicy(Resource):
    """ScalingPolicy says what an LLM service promises to its users and within which bounds Outrider may scale it.

    Outrider forecasts its demand, prepares GPU nodes ahead of it, and tells KEDA how many replicas to run.
    """

    kind: Literal["ScalingPolicy"] = Field(examples=["ScalingPolicy"])
    spec: Spec
    status: Status = Field(default_factory=Status)


INTRODUCTION = """\
A policy needs a target and a maximum; the promise is best written down too:

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

`outrider check FILE` reads policies offline and lists every mistake; `outrider scaledobject -f FILE` prints the
ScaledObject that belongs to a policy and bears its name.
"""

COLUMNS = (
    Column("Mode", "string", ".spec.mode", "Active acts; Shadow only tells"),
    Column("Target", "string", ".spec.target.name", "What is scaled"),
    Column("Min", "integer", ".spec.minReplicas", "Replicas that always run"),
    Column("Max", "integer", ".spec.maxReplicas", "Replicas that are never exceeded"),
    Column("Current", "integer", ".status.currentReplicas", "Replicas that the target is told to run"),
    Column("Desired", "integer", ".status.desiredReplicas", "Replicas that were decided on"),
    Column("Prepared", "integer", ".status.preparedNodes", "GPU nodes held with the image on them"),
    Column("Ready", "string", ".status.conditions[?(@.type=='Ready')].status", "Valid, and the target is found"),
    Column("Decided", "date", ".status.lastDecisionTime", "How long ago the last decision was made"),
    Column("Age", "date", ".metadata.creationTimestamp"),
    Column("Demand", "string", ".status.demandReplicas", "Demand in replicas", wide=True),
    Column("Waiting", "integer", ".status.waitingRequests", "Requests that wait in the engines' queues", wide=True),
    Column("Message", "string", ".status.message", "The last decision and its reason", wide=True),
)


def _stage_rules(at: str) -> tuple[Rule, ...]:
    return (
        duration_between(at, "p50", "1s", "1h"),
        Rule(
            at,
            "p95",
            "duration(self.p95) >= duration(self.p50) && duration(self.p95) <= duration('1h')",
            "out of range, which is p50 to 1h",
            "a duration from p50 to 1h",
            lambda it: units.seconds(it["p50"]) <= units.seconds(it["p95"]) <= units.seconds("1h"),
        ),
    )


RULES = (
    Rule(
        "",
        "metadata.name",
        f"self.metadata.name.size() <= {LONGEST_NAME}",
        "the name is too long: KEDA puts keda-hpa- before it, and an HPA's name ends at 63 characters",
        f"a name of at most {LONGEST_NAME} characters",
        lambda policy: len(policy["metadata"]["name"]) <= LONGEST_NAME,
    ),
    Rule(
        "spec",
        "signal",
        f"!self.signal.lowerAscii().matches('{_UTILISATION}')",
        "utilisation is no signal: an LLM engine keeps its GPU busy with one request as with a hundred, so it says "
        "nothing of the load, and nothing at all of what waits",
        "Work, or Concurrency where the engine does not count tokens",
        lambda spec: re.search(_UTILISATION, spec["signal"].lower()) is None,
        unknown=_UTILISATION,
    ),
    Rule(
        "spec",
        "signal",
        "!self.signal.lowerAscii().contains('running')",
        "running requests alone are no signal: they stop at the engine's batch limit, exactly when more replicas are "
        "needed, and what waits is not among them",
        "Work, or Concurrency, which is running and waiting together",
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
        "no signal of demand exists at zero pods, so nothing would ever wake the service",
        "1 or more",
        lambda spec: spec["minReplicas"] >= 1,
    ),
    Rule(
        "spec",
        "minReplicas",
        "self.minReplicas <= self.maxReplicas",
        "minReplicas is above maxReplicas",
        "a number that is at most maxReplicas",
        lambda spec: spec["minReplicas"] <= spec["maxReplicas"],
    ),
    Rule(
        "spec",
        "schedules",
        "self.schedules.all(window, window.minReplicas <= self.maxReplicas)",
        "a window's minReplicas is above maxReplicas",
        "windows whose minReplicas is at most maxReplicas",
        lambda spec: all(window["minReplicas"] <= spec["maxReplicas"] for window in spec["schedules"]),
    ),
    Rule(
        "spec.schedules[]",
        "end",
        "self.start != self.end",
        "the window closes as it opens",
        'another end; a whole day is start "00:00" and end "24:00"',
        lambda window: window["start"] != window["end"],
    ),
    Rule(
        "spec.target",
        "kind",
        f"self.apiVersion != 'apps/v1' || self.kind in {list(SCALABLE_APPS)}",
        "apps/v1 has no such kind with a /scale subresource: a DaemonSet follows the nodes, and a Job runs to its end",
        "Deployment, StatefulSet or ReplicaSet; for any other kind its own apiVersion as well",
        lambda target: target["apiVersion"] != "apps/v1" or target["kind"] in SCALABLE_APPS,
    ),
    Rule(
        "spec.target",
        "apiVersion",
        f"self.apiVersion == 'apps/v1' || !(self.kind in {list(SCALABLE_APPS)})",
        "this kind lives in apps/v1",
        "apps/v1",
        lambda target: target["apiVersion"] == "apps/v1" or target["kind"] not in SCALABLE_APPS,
    ),
    Rule(
        "spec.target",
        "kind",
        "!(self.apiVersion in ['v1', 'batch/v1']) || self.kind in ['ReplicationController', 'Deployment', "
        "'StatefulSet', 'ReplicaSet']",
        "this kind has no /scale subresource, so its replicas cannot be set",
        "Deployment with apiVersion apps/v1, or any kind that has /scale",
        lambda target: (
            target["apiVersion"] not in ("v1", "batch/v1")
            or target["kind"] in ("ReplicationController", *SCALABLE_APPS)
        ),
    ),
    duration_between("spec.slo", "queueWait", "100ms", "1h"),
    duration_between("spec.scaleDown", "hold", "0s", "24h"),
    quantity_between("spec.engine", "prefillTokensPerSecond", "1", "10M"),
    quantity_between("spec.engine", "decodeSecondsPerToken", "1u", "10"),
    quantity_between("spec", "pricePerGpuHour", "0.001", "1000"),
    *(rule for stage in ("node", "image", "weights", "warmup") for rule in _stage_rules(f"spec.coldStart.{stage}")),
)
