"""The status of a GPUPool: what is held, refused and spent, and what a restart goes on with."""

from typing import Annotated, Literal

from pydantic import Field

from crds.v1alpha1.fields import Label, Model, Quantity
from crds.v1alpha1.resource import Condition, Count, Timestamp

MOST_WORKLOADS = 256
WorkloadName = Annotated[str, Field(max_length=317)]  # NAMESPACE/NAME
Sentence = Annotated[str, Field(max_length=1024)]


class OfferingStatus(Model):
    """What is known of one offering."""

    name: Label
    """Name of the offering."""
    nodes: Count
    """Nodes of it that exist, whoever holds them."""
    in_flight: Count = 0
    """Standby nodes that were asked of it and are not ready."""
    standby: Count = 0
    """Standby nodes of it that are ready."""
    resting_until: Timestamp | None = None
    """Until when it is not asked, since it had no capacity."""
    rest_seconds: Count | None = None
    """How long it rests after the next refusal."""
    last_refusal_time: Timestamp | None = None
    """When it last had no capacity."""
    last_node_time: Timestamp | None = None
    """When a node of it last came."""
    reason: Literal["Open", "Asked", "Hedged", "Resting", "Closed", "Full"] | None = None
    """Open: nothing is asked of it. Asked: it is asked for standby nodes. Hedged: one node is asked of it, since an earlier offering
    is late. Resting: it had no capacity. Closed: outside its validity or calendar. Full: its maxNodes exist."""
    message: Sentence | None = None
    """The reason in a sentence."""


class WorkloadStatus(Model):
    """What one policy that joined has of the pool."""

    workload: WorkloadName
    """NAMESPACE/NAME of the policy."""
    member: Annotated[str, Field(max_length=63)] = ""
    """Name of the rule that selects it; empty: none does, and it may not grow."""
    granted: Count
    """GPUs that it may have."""
    held: Count = 0
    """GPUs that it holds."""
    standby: Count = 0
    """Standby nodes that have its image."""
    refused: Count = 0
    """GPUs that it asked for and was refused."""
    reason: (
        Literal["Granted", "PoolGPUs", "Money", "MemberGPUs", "NoMember", "NoPool", "Guarantees", "Shadow", "Unknown"]
        | None
    ) = None
    """Granted: it has what it asked for. PoolGPUs, Money, MemberGPUs: which limit refused the rest. NoMember: no rule selects it.
    Guarantees: what is left is guaranteed to others. Shadow: its policy is in mode Shadow. Unknown: it has not asked yet."""
    message: Sentence | None = None
    """The reason in a sentence, with who holds what."""


class Spend(Model):
    """What the pool costs, in US dollars, and what its GPUs were for, since `since`. A restart goes on from here."""

    usd_per_hour: Quantity | None = None
    """Dollars an hour, now."""
    usd_today: Quantity | None = None
    """Dollars since the day began."""
    forecast_usd_today: Quantity | None = None
    """Dollars to the day's end, if all goes on as granted. Absent while unknown."""
    day: Annotated[str, Field(max_length=10)] | None = None
    """The day that is counted, in the pool's time zone."""
    since: Timestamp | None = None
    """Since when the totals are counted."""
    until: Timestamp | None = None
    """Up to when everything is counted."""
    total_usd: Quantity | None = None
    """Dollars in all."""
    serving_gpu_seconds: Quantity | None = None
    """GPU-seconds of replicas that served."""
    used_gpu_seconds: Quantity | None = None
    """GPU-seconds of those that demand kept busy."""
    starting_gpu_seconds: Quantity | None = None
    """GPU-seconds of replicas that started."""
    standby_gpu_seconds: Quantity | None = None
    """GPU-seconds of standby nodes that a replica took over."""
    wasted_gpu_seconds: Quantity | None = None
    """GPU-seconds of standby nodes that nobody took."""
    idle_gpu_seconds: Quantity | None = None
    """GPU-seconds of the pool's nodes that neither members nor standby nor others held."""


class Status(Model):
    """What the controller observed and decided."""

    conditions: list[Condition] | None = Field(
        default=None,
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    """Ready: the pool is valid and in use. WithinLimits: nothing was refused. StandbyReady: the standby nodes decided on are ready.
    BuffersObeyed: nobody else writes the CapacityBuffers, and admission lets standby pods in."""
    observed_generation: Count | None = None
    """Generation of the pool that was last read."""
    held_gpus: Count | None = None
    """GPUs that members hold."""
    granted_gpus: Count | None = None
    """GPUs that members may have."""
    refused_gpus: Count | None = None
    """GPUs that members asked for and were refused."""
    other_gpus: Count | None = None
    """GPUs of the pool's nodes that pods of no member hold; they are not limited."""
    standby: Annotated[str, Field(max_length=16)] | None = None
    """Standby nodes that are ready, of those decided on, such as 1/2."""
    offering: Annotated[str, Field(max_length=63)] | None = None
    """The offering that is asked for standby nodes, or was last."""
    offerings: list[OfferingStatus] | None = Field(
        default=None,
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    """What is known of each offering, in the pool's order."""
    workloads: list[WorkloadStatus] | None = Field(
        default=None,
        max_length=MOST_WORKLOADS,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["workload"]},
    )
    """What each policy that joined has; of more than 256, those that hold most."""
    spend: Spend | None = None
    """What the pool costs."""
    last_decision_time: Timestamp | None = None
    """When the last decision was made."""
    message: Sentence | None = None
    """The last decision and its reasons, in a sentence."""
