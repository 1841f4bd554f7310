"""What the controller saw and decided. Docstrings are what `kubectl explain` shows."""

from typing import Annotated, Literal

from pydantic import Field

from crds.v1alpha1.fields import Model, Quantity

Count = Annotated[int, Field(ge=0)]
Timestamp = Annotated[str, Field(json_schema_extra={"format": "date-time"}, max_length=64)]


class Condition(Model):
    """One aspect of the state, in Kubernetes' usual form."""

    type: str = Field(pattern=r"^[A-Z][A-Za-z0-9]*$", max_length=63)
    """Ready: the policy is valid and its target is found. Decided: a decision is fresh."""
    status: Literal["True", "False", "Unknown"]
    """True, False or Unknown."""
    reason: str = Field(pattern=r"^[A-Z][A-Za-z0-9]*$", max_length=128)
    """One word for the cause."""
    message: str = Field(max_length=32_768)
    """The cause in a sentence."""
    last_transition_time: Timestamp
    """When the status last changed."""
    observed_generation: Count | None = None
    """The generation of the policy that it speaks of."""


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
