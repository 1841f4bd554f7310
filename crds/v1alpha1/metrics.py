"""Where and how a policy's pods serve their metrics: fields and rules. A policy is not secret, so no field holds a credential."""

import re
from typing import Annotated, Literal

from pydantic import Field

from crds.resolve.rules import Rule
from crds.v1alpha1.fields import LABEL_KEY, DataKey, HeaderName, HeaderValue, LabelValue, Model, ObjectName, UrlPath

MOST_PORTS = 16
MOST_HEADERS = 8
Port = Annotated[int, Field(ge=1, le=65_535)]
# Parts of names of headers that carry a credential, and names of those that a client sets itself.
_CREDENTIALS = "auth|cookie|token|secret|passw|pwd|key|credential|bearer|jwt|signature"
_OWN = (
    *(
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "te",
    ),
    *("trailer", "transfer-encoding", "upgrade"),
)


class ConfigMapKey(Model):
    """A key of a ConfigMap in the policy's namespace."""

    name: ObjectName = Field(examples=["metrics-ca"])
    """Name of the ConfigMap."""
    key: DataKey = Field(default="ca.crt", examples=["ca.crt"])
    """Key of the ConfigMap."""


class SecretKey(Model):
    """A key of a Secret in the policy's namespace."""

    name: ObjectName = Field(examples=["metrics-token"])
    """Name of the Secret."""
    key: DataKey = Field(default="token", examples=["token"])
    """Key of the Secret."""


class Tls(Model):
    """Which certificates of the pods are accepted."""

    ca_config_map: ConfigMapKey | None = None
    """Certificates of the CAs that may have signed the pods' certificates, as PEM. Unset: the CAs of Outrider's image.
    Outrider's service account needs a Role that lets it get this ConfigMap."""
    server_name: ObjectName | None = Field(default=None, examples=["chat-vllm.llm.svc"])
    """Name that the pods' certificates must have. Unset: the pod's IP address."""
    insecure_skip_verify: bool = False
    """Accept any certificate."""


class Header(Model):
    """A header of the requests for metrics."""

    name: HeaderName = Field(examples=["X-Scope-OrgID"])
    """Name of the header; not one that carries a credential."""
    value: HeaderValue = Field(examples=["team-a"])
    """Value of the header, readable for everyone who may read the policy."""


class PodSelector(Model):
    """Labels of pods."""

    match_labels: dict[str, LabelValue] = Field(min_length=1, max_length=8, examples=["{role: leader}"])
    """Labels that a pod must have, all of them."""


class Metrics(Model):
    """Where each pod of the target serves vLLM's metrics."""

    port: int = Field(default=8000, ge=1, le=65_535)
    """Port on the pod."""
    ports: list[Port] = Field(default=[], max_length=MOST_PORTS, examples=["[8000, 8001]"])
    """Ports on the pod, in place of port, where each data-parallel rank serves metrics of its own. What a pod shows is the sum
    over all of them."""
    path: UrlPath = Field(default="/metrics", examples=["/metrics"])
    """Path of the metrics page."""
    scheme: Literal["http", "https"] = "http"
    """http or https."""
    tls: Tls | None = None
    """Which certificates of the pods are accepted, with scheme https."""
    bearer_token_secret: SecretKey | None = None
    """Bearer token that is sent to the pods, with scheme https. Outrider's service account needs a Role that lets it get this
    Secret."""
    headers: list[Header] = Field(default=[], max_length=MOST_HEADERS)
    """Headers that are sent to the pods; a credential belongs in a Secret."""
    pod_selector: PodSelector | None = None
    """Which of the target's pods run an engine and count as replicas. Unset: all of them. Set it where the target also has
    pods that serve no model, such as routers or workers."""


METRICS_RULES = (
    Rule(
        "spec.metrics",
        "ports",
        "!has(self.ports) || self.ports.all(one, self.ports.exists_one(other, other == one))",
        "a port is listed twice, and what it shows would count twice",
        "different ports",
        lambda metrics: len(set(metrics["ports"])) == len(metrics["ports"]),
    ),
    Rule(
        "spec.metrics",
        "ports",
        "!has(self.ports) || self.ports.size() == 0 || self.port == 8000 || self.port in self.ports",
        "ports takes the place of port, which is another one",
        "either port or ports",
        lambda metrics: not metrics["ports"] or metrics["port"] == 8000 or metrics["port"] in metrics["ports"],
    ),
    Rule(
        "spec.metrics.podSelector",
        "matchLabels",
        f"self.matchLabels.all(key, key.size() <= 317 && key.matches('{LABEL_KEY}'))",
        "a key is not a label's: at most 63 letters, digits, -, _ and ., optionally after a domain and /",
        "keys such as role or leaderworkerset.sigs.k8s.io/worker-index",
        lambda selector: all(len(key) <= 317 and re.match(LABEL_KEY, key) for key in selector["matchLabels"]),
    ),
    Rule(
        "spec.metrics",
        "tls",
        "!has(self.tls) || self.scheme == 'https'",
        "tls has no effect with scheme http",
        "scheme: https beside it, or no tls",
        lambda metrics: "tls" not in metrics or metrics["scheme"] == "https",
    ),
    Rule(
        "spec.metrics",
        "bearerTokenSecret",
        "!has(self.bearerTokenSecret) || self.scheme == 'https'",
        "with scheme http, anyone on the network could read the token",
        "scheme: https beside it, or no bearerTokenSecret",
        lambda metrics: "bearerTokenSecret" not in metrics or metrics["scheme"] == "https",
    ),
    Rule(
        "spec.metrics",
        "bearerTokenSecret",
        "!has(self.bearerTokenSecret) || !has(self.tls) || !self.tls.insecureSkipVerify",
        "with insecureSkipVerify, anyone on the network could take the pod's place and read the token",
        "tls.caConfigMap or tls.serverName in place of insecureSkipVerify",
        lambda metrics: "bearerTokenSecret" not in metrics or not metrics.get("tls", {}).get("insecureSkipVerify"),
    ),
    Rule(
        "spec.metrics.headers[]",
        "name",
        f"!self.name.lowerAscii().matches('{_CREDENTIALS}')",
        "a header of this name carries a credential, and everyone who may read the policy could read it",
        "bearerTokenSecret, which names a Secret",
        lambda header: re.search(_CREDENTIALS, header["name"].lower()) is None,
    ),
    Rule(
        "spec.metrics.headers[]",
        "name",
        f"!(self.name.lowerAscii() in {list(_OWN)})",
        "Outrider sets this header itself",
        "another header",
        lambda header: header["name"].lower() not in _OWN,
    ),
)
