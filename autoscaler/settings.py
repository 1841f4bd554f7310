"""Settings of the controller process, from environment variables (`OUTRIDER_...`) and from flags. Flags win.

Flags, their help and the reference page are made from this one declaration. What concerns a single workload stands in
its ScalingPolicy.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast, get_type_hints
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, FilePath, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from autoscaler.clock import pace
from autoscaler.telemetry.redact import MASK, redact_mapping, redact_url

PREFIX = "OUTRIDER_"
# What the kubelet sets in every pod for Services named outrider-..., and what the tests and the Makefile use.
_NO_SETTING = re.compile(
    r"((\w+_)?(service_(host|port(_\w+)?)|port_\d+_(tcp|udp|sctp)_(proto|port|addr))"
    r"|shared|hypothesis|schedules|record|e2e\w*|conformance_\w+)=.*"
    r"|(\w+_)?port(_\w+)?=(tcp|udp|sctp)://.*",
    re.DOTALL,
)


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        whole = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # brackets or a port that is no number, as with a / in a password
        whole = False
    if "@" in re.sub(r"^(\w+://)?[^/?#]*", "", value):
        raise ValueError("has an @ behind its host; in a password, write / as %2F, ? as %3F and # as %23")
    if not whole:
        raise ValueError("must be a URL like http://prometheus.monitoring:9090")
    if "?" in value or "#" in value:
        raise ValueError("must end with its path, without ? and #, since the path of the API is added to it")
    return parts.scheme + value[len(parts.scheme) :].rstrip("/")  # in lower case, as all that looks for https expects


def _bind(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or not host or not re.fullmatch(r"\d{1,5}", port) or int(port) > 65535:
        raise ValueError("must be HOST:PORT like 0.0.0.0:6000 or [::]:6000; port 0 takes a free one")
    return value


def _clock_file(path: Path) -> Path:
    try:
        pace(path.read_bytes())
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    return path


def _server_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", value):
        raise ValueError("must be a host name like prometheus.monitoring.svc")
    return value


def _image(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][A-Za-z0-9._:/@-]{0,511}", value):
        raise ValueError("must be the reference of an image like registry.example.com/pause:3.10")
    return value


def _namespace_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", value):
        raise ValueError("must be the name of a namespace like outrider-system")
    return value


def _taint_keys(value: str) -> str:
    for name in value.split(","):
        if not re.fullmatch(
            r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", name
        ):
            raise ValueError(
                "must be keys of taints like karpenter.sh/disrupted, separated by commas and without spaces"
            )
    return value


def _header_value(value: str) -> str:
    if not re.fullmatch(r"[\x21-\x7e]{1,256}", value):
        raise ValueError("must be at most 256 printable characters without spaces")
    return value


Bind = Annotated[str, AfterValidator(_bind)]
ServerName = Annotated[str, AfterValidator(_server_name)]
HeaderValue = Annotated[str, AfterValidator(_header_value)]
NamespaceName = Annotated[str, AfterValidator(_namespace_name)]
TaintKeys = Annotated[str, AfterValidator(_taint_keys)]
Image = Annotated[str, AfterValidator(_image)]
ClockFile = Annotated[Path, AfterValidator(_clock_file)]
Url = Annotated[str, AfterValidator(_url)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
# A decision takes 4.5 kB with 5 pods and 12 kB with 20: 60 or 23 days of one policy. The manifests give the folder 2 GiB.
DECISION_LOG_BYTES = 1_600_000_000


def _setting(group: str, default: object, text: str, *, unset: str = "", **limits: Any) -> Any:  # noqa: ANN401 - as Field
    """A field with what help and the reference page show of it; `unset` says what holds where the default is None."""
    return Field(default, description=text, json_schema_extra={"group": group, "unset": unset}, **limits)


class Settings(BaseSettings):
    """All settings. Every field is frozen and has a default."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid", hide_input_in_errors=True
    )

    namespace: str | None = _setting(
        "Cluster", None, "Follow the ScalingPolicies of this namespace only.", unset="all namespaces"
    )
    kubeconfig: FilePath | None = _setting(
        "Cluster",
        None,
        "Kubeconfig file to connect with.",
        unset="the pod's service account, else $KUBECONFIG or ~/.kube/config",
    )
    context: str | None = _setting(
        "Cluster", None, "Context of the kubeconfig to connect with.", unset="the kubeconfig's current context"
    )
    scrape_interval_seconds: Positive = _setting(
        "Signals",
        2.0,
        "Time between two scrapes of a vLLM pod, in seconds (of scenario time, with a clock_file).",
    )
    readers: int | None = _setting(
        "Signals",
        None,
        "Processes (80 MB each) that scrape the pods; with 0 the controller does.",
        unset="0 up to 500 scrapes a second, else 1 per 1,250, at most 1 a core",
        ge=0,
        le=64,
    )
    prometheus_url: Url | None = _setting(
        "Signals",
        None,
        "URL of Prometheus, read for history at start and for pods that cannot be scraped.",
        unset="not used",
        repr=False,
    )
    prometheus_timeout_seconds: Positive = _setting(
        "Signals", 5.0, "Time limit of one Prometheus query, in wall-clock seconds."
    )
    prometheus_token_file: FilePath | None = _setting(
        "Signals",
        None,
        "File with the bearer token for Prometheus, read again when it changes; needs an https URL.",
        unset="none",
    )
    prometheus_ca_file: FilePath | None = _setting(
        "Signals",
        None,
        "PEM file of the CAs that Prometheus' certificate may be signed by, read again when it changes.",
        unset="the system's CAs",
    )
    prometheus_server_name: ServerName | None = _setting(
        "Signals", None, "Name that Prometheus' certificate must have.", unset="the host of the URL"
    )
    prometheus_skip_verify: bool = _setting(
        "Signals", False, "Accept any certificate of Prometheus; not together with a bearer token."
    )
    prometheus_tenant: HeaderValue | None = _setting(
        "Signals",
        None,
        "Tenant to read from a shared Prometheus (Mimir, Cortex, Thanos), sent as the header X-Scope-OrgID.",
        unset="none",
        repr=False,
    )
    learn_cold_starts: bool = _setting(
        "Signals",
        True,
        "Decide with the cold starts that are measured here. Off: they are only measured, and decisions use spec.coldStart or the"
        " profile.",
    )
    engine_logs: bool = _setting(
        "Signals",
        False,
        "Read the beginning of each new replica's log once it serves, for the parts of its warm-up; needs the right to get pods/log.",
    )
    readiness_stages: bool = _setting(
        "Signals",
        False,
        "Ask engines that start for their stage (vLLM's /readiness/stages, unreleased): it gives the parts of a warm-up.",
    )
    scaler_bind: Bind = _setting("Servers", "0.0.0.0:6000", "HOST:PORT of the gRPC external scaler, which KEDA calls.")
    scaler_reflection: bool = _setting(
        "Servers",
        False,
        "Let clients of the gRPC server list its services and messages (gRPC reflection); KEDA does not ask.",
    )
    web_bind: Bind = _setting("Servers", "0.0.0.0:8080", "HOST:PORT of /metrics, /healthz and /readyz.")
    tls_cert: FilePath | None = _setting(
        "Servers", None, "Certificate of the gRPC server, a PEM file.", unset="plain text"
    )
    tls_key: FilePath | None = _setting("Servers", None, "Private key of the gRPC server, a PEM file.", unset="none")
    tls_ca: FilePath | None = _setting(
        "Servers",
        None,
        "PEM file of the CA that must have signed every client's certificate (mTLS).",
        unset="clients need no certificate",
    )
    max_balloons: int = _setting(
        "Prepared nodes",
        10,
        "Maximum number of balloons (Jobs that each hold one prepared node) in the cluster; it caps what prepared nodes cost.",
        ge=0,
    )
    max_balloons_per_namespace: int = _setting(
        "Prepared nodes",
        5,
        "Maximum number of balloons in one namespace, so that no tenant takes all.",
        ge=0,
    )
    balloon_deadline_seconds: int = _setting(
        "Prepared nodes",
        1800,
        "Lifetime of a balloon, in seconds, after which it ends even if the controller is down.",
        gt=0,
    )
    priority_class: str = _setting(
        "Prepared nodes",
        "outrider-balloon",
        "PriorityClass of balloon pods; its value must be lower than the workloads'.",
    )
    own_namespace: NamespaceName | None = _setting(
        "Pools",
        None,
        "Namespace of Outrider itself, in which Jobs hold the standby nodes of pools.",
        unset="that of the pod's service account, else outrider-system",
    )
    notice_taints: TaintKeys | None = _setting(
        "Pools",
        None,
        "Keys of taints, separated by commas, by which nodes are given notice, beside karpenter.sh/disrupted.",
        unset="no others",
    )
    max_prepulls: int = _setting(
        "Images and weights",
        200,
        "Maximum number of Jobs in the cluster that bring images and weights to nodes, or keep images there.",
        ge=0,
    )
    max_parallel_prepulls: int = _setting(
        "Images and weights",
        16,
        "Maximum number of them that pull or copy at the same time, which registries and networks feel.",
        ge=1,
    )
    prepull_deadline_seconds: int = _setting(
        "Images and weights",
        3600,
        "Lifetime of such a Job, in seconds, after which it ends even if the controller is down.",
        gt=0,
        le=86_400,
    )
    pause_image: Image = _setting(
        "Images and weights",
        "registry.k8s.io/pause:3.10",
        "Image of pods that hold an image volume on a node; set it in the component admission as well.",
    )
    prefetch: bool = _setting(
        "Images and weights",
        False,
        "Let policies copy weights to the disks of nodes with containers of their own (weights.method: prefetch).",
    )
    state_dir: Path | None = _setting(
        "State and logs",
        None,
        "Folder for the saved state of each policy and what was learned of cold starts, read after a restart.",
        unset="nothing is saved",
    )
    decision_log_dir: Path | None = _setting(
        "State and logs", None, "Folder for the decision log, which explain and redecide read.", unset="no decision log"
    )
    decision_log_bytes: int = _setting(
        "State and logs",
        DECISION_LOG_BYTES,
        "Maximum size of the decision log, whose oldest files are deleted. A policy of 5 pods writes 26 MB a day.",
        ge=1_000_000,
    )
    decision_log_days: Positive | None = _setting(
        "State and logs",
        None,
        "Age up to which the decision log is kept, in days; less where decision_log_bytes is reached before.",
        unset="as long as its size allows",
    )
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "State and logs", "info", "Lowest level that is logged."
    )
    clock_file: ClockFile | None = _setting(
        "Clock (for demonstrations)",
        None,
        "Clock file of a simulated cluster, whose scenario time replaces the wall clock's.",
        unset="the wall clock",
    )

    @model_validator(mode="after")
    def _tls_is_complete(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together: set both or neither")
        if self.tls_ca and not self.tls_cert:
            raise ValueError("tls_ca asks clients for certificates, which needs tls_cert and tls_key as well")
        return self

    @model_validator(mode="after")
    def _token_is_safe(self) -> Self:
        if self.prometheus_token_file is None:
            return self
        if self.prometheus_skip_verify:
            raise ValueError(
                "prometheus_token_file and prometheus_skip_verify exclude each other: anyone could take the"
                " token; set prometheus_ca_file or prometheus_server_name instead"
            )
        url = urlsplit(self.prometheus_url or "")
        if url.scheme != "https" or "@" in url.netloc:
            raise ValueError(
                "prometheus_token_file needs a prometheus_url that begins with https:// and has no user name, since a"
                " token is never sent in plain text"
            )
        return self


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as help and the reference page show it."""

    name: str
    type: Any
    group: str
    default: object
    unset: str  # what holds where the default is None
    text: str

    @property
    def default_text(self) -> str:
        """The default as one writes it, or what holds without one."""
        if self.default is None:
            return self.unset
        if isinstance(self.default, bool):
            return "yes" if self.default else "no"
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)

    @property
    def flag(self) -> str:
        """Its option of `outrider run`."""
        return _flag(self.name)

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return _variable(self.name)


def declared() -> Iterator[Setting]:
    """Every setting, in the order of declaration."""
    types = get_type_hints(Settings)
    for name, field in Settings.model_fields.items():
        shown = cast(Mapping[str, str], field.json_schema_extra)
        yield Setting(name, types[name], shown["group"], field.default, shown["unset"], field.description or "")


def unknown_variables() -> list[str]:
    """A sentence for each variable of the environment that looks like a setting and is none, with the nearest one."""
    known = [setting.name for setting in declared()]
    found = []
    for variable, value in sorted(os.environ.items()):
        prefix, name = variable[: len(PREFIX)].upper(), variable[len(PREFIX) :].lower()
        if not value or prefix != PREFIX or name in known or _NO_SETTING.fullmatch(f"{name}={value}"):
            continue
        near = get_close_matches(name, known, n=1, cutoff=0.5)
        instead = f"did you mean {_variable(near[0])}?" if near else "outrider run --help lists the settings"
        found.append(f"{variable} is not a setting and has no effect; {instead}")
    return found


class SettingsError(ValueError):
    """Some settings are not valid. The text lists each by its flag or variable, and says what is wrong."""


def load(flags: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings from the environment; flags that are not None win. Raises `SettingsError` with every problem."""
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        problems = [_problem(detail["loc"], detail["msg"], given) for detail in error.errors(include_url=False)]
        raise SettingsError("the settings are not valid:\n  " + "\n  ".join(problems)) from None


def _problem(location: tuple[int | str, ...], message: str, given: Mapping[str, Any]) -> str:
    what = message.removeprefix("Value error, ")
    if not location:
        return what
    name = str(location[0]).removeprefix(PREFIX.lower())
    if name in given:
        return f"{_flag(name)} {_shown(name, given[name])}: {what}"
    return f"{_variable(name)}={_shown(name, os.environ.get(_variable(name), ''))}: {what}"


def _shown(name: str, value: object) -> str:
    """A refused value: what stands before an @ may be a password even where the rest is no URL."""
    return MASK if name == "prometheus_tenant" else redact_url(str(value))


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def masked(settings: Settings) -> dict[str, object]:
    """The settings as JSON values with secrets masked, for `outrider run --show-settings`."""
    values = settings.model_dump(mode="json")
    tenant = MASK if settings.prometheus_tenant else None  # with some servers, all that one needs to read
    urls = {name: redact_url(value) for name, value in values.items() if name.endswith("_url") and value}
    return redact_mapping(values | urls | {"prometheus_tenant": tenant})
