"""Settings of the controller process, from the environment (`OUTRIDER_...`) and from flags. Flags win.

What a service needs stands in its ScalingPolicy; here is only what belongs to the process and the cluster.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, FilePath, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from autoscaler.telemetry.redact import redact, redact_mapping

PREFIX = "OUTRIDER_"


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be a URL like http://prometheus.monitoring:9090")
    return value.rstrip("/")


def _bind(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or not host or not re.fullmatch(r"\d{1,5}", port) or int(port) > 65535:
        raise ValueError("must be HOST:PORT like 0.0.0.0:6000 or [::]:6000; port 0 takes a free one")
    return value


Bind = Annotated[str, AfterValidator(_bind)]
Url = Annotated[str, AfterValidator(_url)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Settings(BaseSettings):
    """All settings; every field is frozen, has a default and says what it does."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid", hide_input_in_errors=True
    )

    prometheus_url: Url | None = Field(
        None, repr=False, description="Prometheus for pods that cannot be scraped and for history at start. Optional."
    )
    prometheus_timeout_seconds: Positive = Field(5.0, description="Deadline of one Prometheus query, wall seconds.")
    scaler_bind: Bind = Field("0.0.0.0:6000", description="Address that KEDA calls (gRPC external scaler).")
    web_bind: Bind = Field("0.0.0.0:8080", description="Address of /metrics, /healthz and /readyz.")
    namespace: str | None = Field(None, description="Watch the ScalingPolicies of this namespace only. Default: all.")
    kubeconfig: FilePath | None = Field(
        None, description="Kubeconfig file. Default: the pod's service account, else the user's own."
    )
    state_dir: Path | None = Field(
        None, description="Folder for checkpoints, so that a restart is not blind. Default: none are written."
    )
    decision_log_dir: Path | None = Field(
        None, description="Folder for the decision log that explain and redecide read. Default: none is written."
    )
    scrape_interval_seconds: Positive = Field(2.0, description="How often each vLLM pod is scraped, scenario seconds.")
    tls_cert: FilePath | None = Field(None, description="Certificate of the scaler's server. Default: plain text.")
    tls_key: FilePath | None = Field(None, description="Private key of the scaler's server.")
    tls_ca: FilePath | None = Field(
        None, description="CA that a caller's certificate must come from (mTLS). Default: callers show none."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    max_balloons: int = Field(
        10, ge=0, description="Balloons that may exist in the whole cluster: the cap on what readiness may cost."
    )
    balloon_deadline_seconds: int = Field(
        1800, gt=0, description="A balloon ends by itself after this time, also when the controller is dead."
    )
    priority_class: str = Field("outrider-balloon", description="PriorityClass of balloons; must be below the pods'.")
    clock_rate: float = Field(
        1.0, gt=0, le=30, allow_inf_nan=False, description="Scenario seconds per wall second. Above 1 for a demo only."
    )
    clock_scenario_epoch_seconds: float | None = Field(
        None, allow_inf_nan=False, description="Scenario time at the wall epoch, Unix seconds. Default: the wall's."
    )
    clock_wall_epoch_seconds: float | None = Field(
        None, allow_inf_nan=False, description="Wall time at which scenario time starts, Unix seconds. Default: start."
    )

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together: give both or none")
        if self.tls_ca and not self.tls_cert:
            raise ValueError("tls_ca asks callers for certificates, which needs tls_cert and tls_key as well")
        return self


class SettingsError(ValueError):
    """Some settings cannot be used. The text lists each: its name, its variable, what is wrong."""


def load(flags: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings from the environment; flags that are not None win.

    Raises `SettingsError` with every problem.
    """
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        problems = [_problem(detail["loc"], detail["msg"], given) for detail in error.errors(include_url=False)]
        raise SettingsError("settings cannot be used:\n  " + "\n  ".join(problems)) from None


def _problem(location: tuple[int | str, ...], message: str, given: Mapping[str, Any]) -> str:
    what = message.removeprefix("Value error, ")
    if not location:
        return what
    name = str(location[0]).removeprefix(PREFIX.lower())
    variable = PREFIX + name.upper()
    if name in given:
        return f"--{name.replace('_', '-')} {redact(str(given[name]))}: {what}"
    return f"{variable}={redact(os.environ.get(variable, ''))}: {what}"


def masked(settings: Settings) -> dict[str, object]:
    """The settings as JSON values with secrets masked, for `outrider run --show-settings`."""
    return redact_mapping(settings.model_dump(mode="json"))
