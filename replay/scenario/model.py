"""The fields of a scenario file: several workloads on one cluster, validated like a custom resource."""

import math
import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from crds.notation.units import DAY_SECONDS, duration
from crds.v1alpha1.fields import Duration, Label, Labels, Model, Quantity, refusal
from crds.v1alpha1.resource import Metadata, Resource
from crds.v1alpha1.scalingpolicy import ColdStart, StageTimes

MOST_WORKLOADS = 50
_SPAN = r"^([0-9]{1,5}d)?([0-9]{1,5}(h|m|s|ms)){0,4}$"


def _span(value: object) -> object:
    if isinstance(value, str) and value and re.fullmatch(_SPAN, value, re.ASCII):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 400 * DAY_SECONDS:
        raise refusal("a duration needs a unit", duration(float(value)))
    raise refusal("not a duration: whole numbers, each followed by d, h, m or s", "a duration such as 45m or 1d2h")


def _factor(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1000 and math.isfinite(value):
        return float(value)
    raise refusal("not a number above 0 and up to 1000", "a number such as 1.5")


def _knob(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 and math.isfinite(value):
        return float(value)
    raise refusal("not a number above 0", "a number such as 0.6")


def _inline(value: object) -> object:
    if isinstance(value, dict) or (isinstance(value, str) and value.strip()):
        return value
    raise refusal("neither the name of a file nor an object", "the name of a file, or the spec itself")


Span = Annotated[str, BeforeValidator(_span), WithJsonSchema({"type": "string"})]
Factor = Annotated[float, BeforeValidator(_factor), WithJsonSchema({"type": "number"})]
KnobValue = Annotated[float, BeforeValidator(_knob), WithJsonSchema({"type": "number"})]
Inline = Annotated[str | dict[str, Any], BeforeValidator(_inline), WithJsonSchema({"type": "string"})]


class Workload(Model):
    """One model: its traffic, its policy, and how long its replicas really take to start."""

    name: Label = Field(examples=["chat"])
    """Name of the workload, unique in the scenario."""
    namespace: Label = Field(default="default", examples=["search"])
    """Its namespace, which decides on the member rule of the pool."""
    namespace_labels: Labels = Field(default={}, examples=["{team: search}"])
    """Labels of the namespace; kubernetes.io/metadata.name is set by itself."""
    trace: str = Field(min_length=1, max_length=1024, examples=["sample:office-morning"])
    """Traffic: a file beside this one, or sample:NAME."""
    scale: Factor = Field(default=1.0, examples=[1.5])
    """Factor of the trace's request rate."""
    start: Span | None = Field(default=None, examples=["2d"])
    """How far into the trace the scenario begins; what lies before is history. Unset: at its beginning, and of a sample at the
    part that it shows."""
    offset: Span = Field(default="0s", examples=["16h"])
    """How much later in the trace than `start` it begins, as if its users lived in another time zone."""
    policy: Inline | None = Field(default=None, examples=["chat.yaml"])
    """The ScalingPolicy: a file beside this one, the resource, or its spec alone. Unset: the default policy."""
    cold_start: ColdStart | None = None
    """How long a replica's stages really take. Unset: as the profile of the policy says."""
    slowness: Annotated[float, Field(ge=0.0, le=2.0), WithJsonSchema({"type": "number"})] = 0.0
    """Standard deviation of the logarithm of one factor for a node's image and weights."""
    actuators: Annotated[str, Field(max_length=100)] | None = Field(default=None, examples=["pre-pull,prefetch"])
    """What shortens a cold start, as --actuators has it. Unset: what the policy asks for."""


class Nodes(Model):
    """How the cluster's own autoscaler treats nodes."""

    removal: Literal["Karpenter", "ClusterAutoscaler"] = "Karpenter"
    """Which autoscaler removes nodes and falls back to the next offering."""
    idle: Duration = Field(default="60s", examples=["60s"])
    """How long a node stays empty before it is removed."""
    disk: Quantity = Field(default="500Gi", examples=["500Gi"])
    """Bytes of a node's disk for images and weights."""


class Offering(Model):
    """What the cloud really does with an offering of the pool."""

    name: Label = Field(examples=["spot"])
    """Name of the offering in the pool."""
    node: StageTimes | None = None
    """From requesting a node until its kubelet has registered it. Unset: as the workloads' cold start says."""
    gpu: StageTimes | None = None
    """From the node's registration until its GPUs can be allocated. Unset: likewise."""


class Outage(Model):
    """A time in which an offering has no capacity."""

    offering: Label = Field(examples=["spot"])
    """Name of the offering in the pool."""
    start: Span = Field(examples=["2h"])
    """When it begins, from the scenario's start."""
    duration: Span = Field(examples=["45m"])
    """How long it lasts."""


class StockOuts(Model):
    """Outages at random times, drawn from the seed."""

    every: Span = Field(examples=["6h"])
    """Mean time between the beginnings of two."""
    lasting: Span = Field(examples=["20m"])
    """Mean length."""


class Reclaims(Model):
    """Spot nodes that the cloud takes back, drawn from the seed."""

    every: Span = Field(examples=["12h"])
    """Mean life of a node."""
    notice: Span = Field(default="2m", examples=["2m"])
    """From the notice until the node is gone."""


class Contender(Model):
    """Who scales all the workloads."""

    name: Literal["outrider", "reactive", "hpa_in_flight", "token_rate", "llmd_slo", "dynamo"] = Field(
        examples=["token_rate"]
    )
    """An autoscaler by its key in --json."""
    value: KnobValue | None = Field(default=None, examples=[0.6])
    """Its setting, the same for all workloads. Unset: as it comes, or the best of several for this scenario."""
    standby: Annotated[int, Field(ge=0, le=1000)] | None = Field(default=None, examples=[2])
    """Standby nodes: for Outrider the most, for another as many at all times. Unset: what the pool says, for another none."""
    pool: bool = True
    """For Outrider: whether the pool decides. False: each workload by itself, up to the pool's limit of GPUs."""
    pre_pull: bool = False
    """Whether images and weights of all workloads are fetched onto every node, as Outrider's pre-pull and prefetch do."""


class Spec(Model):
    """What happens, and to whom."""

    description: str = Field(default="", max_length=1000)
    """What the scenario shows."""
    duration: Span = Field(examples=["8h"])
    """How long it lasts."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of all that is drawn."""
    pool: Inline | None = Field(default=None, examples=["pool.yaml"])
    """The GPUPool that all workloads share: a file beside this one, the resource, or its spec alone."""
    workloads: list[Workload] = Field(min_length=1, max_length=MOST_WORKLOADS)
    """The models."""
    nodes: Nodes = Field(default_factory=Nodes, json_schema_extra={"default": {}})
    """How the cluster's own autoscaler treats nodes."""
    offerings: list[Offering] = Field(default=[], max_length=16)
    """What the cloud really does with the pool's offerings."""
    outages: list[Outage] = Field(default=[], max_length=100)
    """Times in which an offering has no capacity."""
    stock_outs: StockOuts | None = None
    """Further outages of every offering but reserved ones, at random times."""
    reclaims: Reclaims | None = None
    """Whether the cloud takes spot nodes back."""
    contenders: list[Contender] = Field(default=[], max_length=20)
    """Who plays. Unset: Outrider, the reactive ScaledObject, and the HPA on token rate at the best of its targets."""


class Scenario(Resource):
    """Several workloads on one cluster, played by one autoscaler after another."""

    kind: Literal["Scenario"] = Field(examples=["Scenario"])
    metadata: Metadata = Field(examples=["{name: six-models}"])
    spec: Spec
