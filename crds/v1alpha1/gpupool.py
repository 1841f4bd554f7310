"""GPUPool: its fields and its columns. Docstrings are what `kubectl explain` shows; the rules are in `gpupool_rules`."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from crds.v1alpha1.fields import (
    ClockTime,
    Duration,
    Label,
    LabelKey,
    LabelValue,
    Model,
    ObjectName,
    Quantity,
    Text,
    TimeZone,
    Utc,
)
from crds.v1alpha1.gpupool_status import Status
from crds.v1alpha1.resource import Column, Resource
from crds.v1alpha1.scalingpolicy import Day

MOST_OFFERINGS = 16
MOST_MEMBERS = 64
MOST_PERIODS = 16
MOST_GPUS = 100_000
Gpus = Annotated[int, Field(ge=0, le=MOST_GPUS)]
NodeLabels = dict[str, LabelValue]


class Taint(Model):
    """A taint that nodes keep for as long as they serve."""

    key: LabelKey = Field(examples=["nvidia.com/gpu"])
    """Key of the taint."""
    value: LabelValue = Field(default="", examples=["present"])
    """Value of the taint."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = "NoSchedule"
    """Effect of the taint."""


class Validity(Model):
    """A period in which an offering can be used, such as a capacity block's."""

    start: Utc | None = Field(default=None, examples=['"2026-12-01T11:30:00Z"'])
    """When the period starts. Unset: it has started."""
    end: Utc | None = Field(default=None, examples=['"2026-12-08T11:30:00Z"'])
    """When the period ends. Unset: it does not end."""


class Hours(Model):
    """A weekly window in which an offering can be used, in the pool's time zone."""

    days: list[Day] = Field(
        default=list(get_args(Day)),
        min_length=1,
        max_length=7,
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    """Days on which the window opens: Mon, Tue, Wed, Thu, Fri, Sat, Sun. Unset: every day."""
    start: ClockTime = Field(examples=['"08:00"'])
    """When the window opens, as HH:MM in local time."""
    end: ClockTime = Field(examples=['"20:00"'])
    """When the window closes, as HH:MM in local time, up to 24:00. A time before the start is on the next day."""


class Offering(Model):
    """One way to get nodes of the pool."""

    name: Label = Field(examples=["reserved"])
    """Name of the offering, unique within the pool."""
    kind: Literal["Reserved", "Spot", "OnDemand"] = Field(examples=["Reserved"])
    """On which terms its nodes are given. Reserved: paid for in any case. Spot: may be taken back at short notice."""
    node_selector: NodeLabels = Field(min_length=1, max_length=8, examples=["{karpenter.sh/nodepool: h100-reserved}"])
    """Labels that each of its nodes has and no other offering's, beside the pool's own; the node autoscaler must know them."""
    taints: list[Taint] = Field(default=[], max_length=8)
    """Taints that its nodes keep, beside the pool's own."""
    price_per_gpu_hour: Quantity = Field(examples=['"2.50"'])
    """Price of one GPU for an hour in US dollars, from 0 to 1000."""
    gpus_per_node: Annotated[int, Field(ge=1, le=64)] = Field(examples=[8])
    """GPUs of each node."""
    max_nodes: Annotated[int, Field(ge=0, le=10_000)] | None = Field(default=None, examples=[4])
    """Nodes that there can be of it; no standby node is asked for beyond them. Unset: no limit."""
    capacity_buffer: ObjectName | None = Field(default=None, examples=["h100-reserved"])
    """CapacityBuffer in Outrider's namespace that holds its standby nodes; it must have spec.limits. Unset: Jobs hold them."""
    validity: list[Validity] = Field(default=[], max_length=MOST_PERIODS)
    """Periods in which it can be used, such as those of capacity blocks. Unset: at any time."""
    calendar: list[Hours] = Field(default=[], max_length=MOST_PERIODS)
    """Weekly windows in which it can be used, within the periods of validity. Unset: at all hours."""


class Expression(Model):
    """A condition on one label."""

    key: LabelKey = Field(examples=["team"])
    """Key of the label."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """In and NotIn compare the label with values; a label that is absent is not in them."""
    values: list[LabelValue] = Field(default=[], max_length=32, examples=["[search, ads]"])
    """Values, for In and NotIn alone."""


class NamespaceSelector(Model):
    """Labels of namespaces. Without any it selects all of them."""

    match_labels: NodeLabels = Field(default={}, max_length=8, examples=["{team: search}"])
    """Labels that a namespace must have, all of them. Each namespace has its name as kubernetes.io/metadata.name."""
    match_expressions: list[Expression] = Field(default=[], max_length=8)
    """Conditions that a namespace must meet, all of them."""


class Member(Model):
    """What the policies of some namespaces may have of the pool."""

    name: Label = Field(examples=["search"])
    """Name of the rule, unique within the pool."""
    namespace_selector: NamespaceSelector = Field(examples=["{matchLabels: {team: search}}"])
    """Namespaces whose policies it is for. The first rule that selects a policy's namespace counts."""
    owner: Text | None = Field(default=None, examples=["search"])
    """Team that a refusal names as the holder of GPUs. Unset: the rule's name."""
    priority: int = Field(default=0, ge=0, le=1000, examples=[100])
    """Who grows first: the higher one."""
    weight: int = Field(default=1, ge=1, le=1000, examples=[2])
    """Share of the rule among those of the same priority; all workloads that it selects share it."""
    guaranteed_gpus: Gpus = Field(default=0, examples=[8])
    """GPUs that its workloads together can always have, before any priority. Until a policy of it joins, others may have them."""
    max_gpus: Gpus | None = Field(default=None, examples=[16])
    """GPUs that its workloads together may have. Unset: the pool's limit alone."""


class Limits(Model):
    """What all members together may have."""

    gpus: Gpus | None = Field(default=None, examples=[32])
    """GPUs of replicas and of standby nodes. Unset: no limit."""
    usd_per_day: Quantity | None = Field(default=None, examples=[2000])
    """US dollars a day in the pool's time zone, up to 100M. A replica with which the day would come to more is refused. Unset: no
    limit."""


class Standby(Model):
    """Whole nodes that are held for whichever member needs one next."""

    max_nodes: int = Field(default=0, ge=0, le=1000, examples=[2])
    """Nodes that may be held. How many are is decided from the sum of the members' demand."""
    min_nodes: int = Field(default=0, ge=0, le=1000)
    """Nodes that are held at all times."""
    hold: Duration = Field(default="60s", examples=["60s"])
    """How long a node is kept after it was last needed, up to 24h."""


class Spec(Model):
    """Which nodes belong to the pool, who may have them, and how many."""

    owner: Text = Field(examples=["ml-platform"])
    """Team that owns the pool."""
    contact: Text | None = Field(default=None, examples=['"#ml-platform"'])
    """Where to ask for more; refusals, the pool's message and `outrider explain --pool` say it."""
    node_selector: NodeLabels = Field(
        default={}, max_length=8, examples=["{nvidia.com/gpu.product: NVIDIA-H100-80GB-HBM3}"]
    )
    """Labels that every node of the pool has."""
    taints: list[Taint] = Field(default=[], max_length=8)
    """Taints that every node of the pool keeps. Standby pods tolerate them, and the members' pods have to."""
    time_zone: TimeZone = Field(default="UTC", examples=["Europe/Berlin"])
    """Time zone of the day and of the offerings' calendars, by its name in the IANA database."""
    offerings: list[Offering] = Field(
        min_length=1,
        max_length=MOST_OFFERINGS,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    """Ways to get nodes of one GPU model, in the order in which standby nodes are asked for."""
    members: list[Member] = Field(
        min_length=1,
        max_length=MOST_MEMBERS,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    """Who may join, in order: the first rule that selects a policy's namespace counts. A policy that none selects may not grow."""
    limits: Limits = Field(default_factory=Limits, json_schema_extra={"default": {}})
    """What all members together may have."""
    standby: Standby = Field(default_factory=Standby, json_schema_extra={"default": {"maxNodes": 0, "minNodes": 0}})
    """Whole nodes that are held for whichever member needs one next."""


class GPUPool(Resource):
    """GPUPool is a number of GPUs of one model that the workloads of several teams share by rule.

    A ScalingPolicy joins it by spec.pool. Outrider grants growth within its limits, and holds standby nodes for all members.
    """

    kind: Literal["GPUPool"] = Field(examples=["GPUPool"])
    spec: Spec
    status: Status = Field(default_factory=Status)


INTRODUCTION = """\
A pool needs an owner, an offering and a member; it is best to state a limit too:

```yaml
apiVersion: outrider.dev/v1alpha1
kind: GPUPool
metadata:
  name: h100
spec:
  owner: ml-platform
  offerings:
  - name: on-demand
    kind: OnDemand
    nodeSelector: {karpenter.sh/nodepool: h100}
    pricePerGpuHour: "3.90"
    gpusPerNode: 8
  members:
  - name: everyone
    namespaceSelector: {}
  limits: {gpus: 64}
```

A [ScalingPolicy](scalingpolicy.md) joins with `spec.pool: h100`. `outrider check FILE...` checks pools and policies offline,
and together: it names policies whose pool is not in the files or has no place for them, offerings that a target's pods
cannot land on, and minimums above what is granted.
"""

COLUMNS = (
    Column("GPUs", "integer", ".status.heldGpus", "GPUs that members hold"),
    Column("Limit", "integer", ".spec.limits.gpus", "GPUs that all members together may have"),
    Column("Refused", "integer", ".status.refusedGpus", "GPUs that were asked for and refused"),
    Column("Standby", "string", ".status.standby", "Standby nodes that are ready, of those decided on"),
    Column("Offering", "string", ".status.offering", "The offering that is asked for nodes"),
    Column("Per-Hour", "string", ".status.spend.usdPerHour", "US dollars an hour, now"),
    Column("Today", "string", ".status.spend.usdToday", "US dollars since the day began"),
    Column("Ready", "string", ".status.conditions[?(@.type=='Ready')].status", "The pool is valid and in use"),
    Column("Age", "date", ".metadata.creationTimestamp"),
    Column("Owner", "string", ".spec.owner", "The team that owns the pool", wide=True),
    Column("Forecast", "string", ".status.spend.forecastUsdToday", "US dollars to the day's end", wide=True),
    Column("Message", "string", ".status.message", "The last decision and its reasons", wide=True),
)
