"""What all kinds of this API share: group, metadata, conditions, and the columns of `kubectl get`."""

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
    """The part of ObjectMeta that is read here; the API server checks the rest."""

    model_config = ConfigDict(extra="ignore")

    name: Annotated[str, dns_name(DNS_SUBDOMAIN, 253, "chat")] = Field(examples=["chat"])
    generation: int = 0
    uid: str = ""
    labels: Labels | None = Field(default=None, examples=["{team: chat}"])
    annotations: Annotations | None = Field(default=None, examples=["{purpose: chat for customers}"])


class NamespacedMetadata(Metadata):
    """The metadata of a resource that lives in a namespace."""

    namespace: Annotated[str, dns_name(DNS_LABEL, 63, "llm")] = "default"


class Resource(Model):
    """A custom resource; each kind narrows `kind`, and adds `spec` and `status`."""

    api_version: Literal["outrider.dev/v1alpha1"] = Field(examples=[API_VERSION])
    kind: str
    metadata: Metadata


class Condition(Model):
    """One aspect of the state, in the usual form of Kubernetes."""

    type: str = Field(pattern=r"^[A-Z][A-Za-z0-9]*$", max_length=63)
    """Name of the aspect; the list of conditions says what each one means."""
    status: Literal["True", "False", "Unknown"]
    """True, False or Unknown."""
    reason: str = Field(pattern=r"^[A-Z][A-Za-z0-9]*$", max_length=128)
    """Reason in CamelCase, for programs."""
    message: str = Field(max_length=32_768)
    """Reason in a sentence."""
    last_transition_time: Timestamp
    """When the condition's status last changed."""
    observed_generation: Count | None = None
    """Generation of the resource that the condition refers to."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of `kubectl get`; a wide one is shown with `-o wide` only."""

    name: str
    type: Literal["string", "integer", "date"]
    path: str
    description: str = ""
    wide: bool = False
