"""What an SRE asks for. Docstrings are what `kubectl explain` shows."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from crds.v1alpha1.fields import ClockTime, Duration, Label, Model, ObjectName, Percent, Quantity, TimeZone

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
