"""What all kinds of this API share: their group, metadata, conditions and the columns of `kubectl get`."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from crds.v1alpha1.fields import DNS_LABEL, DNS_SUBDOMAIN, Annotations, Labels, Model, dns_name

GROUP = "outrider.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

Count = Annotated[int, Field(ge=0)]
Timestamp = Annotated[str, Field(json_schema_extra={"format": "date-time"}, max_length=64)]


class Metadata(Model):
    """The part of ObjectMeta that is read here; the API server sees to the rest."""

    model_config = ConfigDict(extra="ignore")

    name: Annotated[str, dns_name(DNS_SUBDOMAIN, 253, "chat")] = Field(examples=["chat"])
    namespace: Annotated[str, dns_name(DNS_LABEL, 63, "llm")] = "default"
    generation: int = 0
    uid: str = ""
    labels: Labels | None = Field(default=None, examples=["{team: chat}"])
    annotations: Annotations | None = Field(default=None, examples=["{purpose: chat for customers}"])


class Resource(Model):
    """A custom resource; each kind narrows `kind`, and adds `spec` and `status`."""

    api_version: Literal["outrider.dev/v1alpha1"] = Field(examples=[API_VERSION])
    kind: str
    metadata: Metadata


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


@dataclass(frozen=True, slots=True)
class Column:
    """One column of `kubectl get`; a wide one is shown with `-o wide` alone."""

    name: str
    type: Literal["string", "integer", "date"]
    path: str
    description: str = ""
    wide: bool = False
