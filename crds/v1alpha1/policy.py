"""The custom resource itself."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from crds.v1alpha1.fields import DNS_LABEL, DNS_SUBDOMAIN, Annotations, Labels, Model, dns_name
from crds.v1alpha1.spec import Spec
from crds.v1alpha1.status import Status

GROUP = "outrider.dev"
VERSION = "v1alpha1"


class Metadata(Model):
    """The part of ObjectMeta that is read here; the API server sees to the rest."""

    model_config = ConfigDict(extra="ignore")

    name: Annotated[str, dns_name(DNS_SUBDOMAIN, 253, "chat")] = Field(examples=["chat"])
    namespace: Annotated[str, dns_name(DNS_LABEL, 63, "llm")] = "default"
    generation: int = 0
    uid: str = ""
    labels: Labels | None = Field(default=None, examples=["{team: chat}"])
    annotations: Annotations | None = Field(default=None, examples=["{purpose: chat for customers}"])


class ScalingPolicy(Model):
    """ScalingPolicy says what an LLM service promises to its users and within which bounds Outrider may scale it.

    Outrider forecasts its demand, prepares GPU nodes ahead of it, and tells KEDA how many replicas to run.
    """

    api_version: Literal["outrider.dev/v1alpha1"] = Field(examples=["outrider.dev/v1alpha1"])
    kind: Literal["ScalingPolicy"] = Field(examples=["ScalingPolicy"])
    metadata: Metadata
    spec: Spec
    status: Status = Field(default_factory=Status)
