"""What a control request may contain. Anything else is refused with its location and the reason."""

from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from replay.scenario.hardware import HARDWARE

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class BadRequestError(ValueError):
    """The request cannot be carried out; the message says what is wrong and where."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Steady(_Strict):
    """The same request at even intervals; the rate is in engine time."""

    requests_per_second: Positive
    prompt_tokens: Annotated[int, Field(ge=1)]
    output_tokens: Annotated[int, Field(ge=1)]


class Traffic(_Strict):
    """A window of a trace, or steady requests; engine time runs `rate` times as fast as wall time.

    Both times are equal at `epoch_seconds`, by default when the traffic starts. Engines' process start times follow it, so
    a controller whose clock runs as fast must have the same epoch.
    """

    rate: Positive = 1.0
    epoch_seconds: Positive | None = None  # Unix time
    trace: str | None = None
    steady: Steady | None = None
    start_seconds: NotNegative | None = None  # trace time
    duration_seconds: Positive | None = None  # engine time
    scale: Positive = 1.0
    seed: int = 0

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.trace is None) == (self.steady is None):
            raise ValueError("give either trace or steady")
        if self.steady is not None and self.duration_seconds is None:
            raise ValueError("steady traffic needs duration_seconds")
        return self


class ServiceSpec(_Strict):
    """A workload: which pods are its replicas, how long their stages take in wall seconds, and its traffic."""

    selector: Annotated[dict[str, str], Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)]
    hardware: str = "8b-l4"
    image_seconds: NotNegative
    weights_seconds: NotNegative
    warmup_seconds: NotNegative
    cached_warmup_seconds: NotNegative | None = None  # with the graphs in a compile cache; None: there is no such cache
    compile_cache: Literal["node", "shared"] = "node"  # where it is: on each node's disk, or on one volume for all
    readiness_stages: bool = False  # engines listen from their start on, and serve /readiness/stages
    images: dict[str, NotNegative] = {}  # how long other images take: of model images, of prefetch Jobs
    prefetch_selector: dict[str, str] = {}  # pods with these labels bring the weights to their node, then end
    traffic: Traffic | None = None

    @field_validator("hardware")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in HARDWARE:
            raise ValueError(f"no hardware {name!r}; available: {', '.join(HARDWARE)}")
        return name


class Faults(_Strict):
    """How the pods' /metrics behave, and what becomes of pulls of the workload's images."""

    metrics: Literal["ok", "refuse", "hang", "error"] = "ok"
    pulls: Literal["ok", "denied", "disk full"] = "ok"


Model = TypeVar("Model", bound=_Strict)


def read(model: type[Model], body: Any) -> Model:
    """A request's body as this model; raises BadRequestError."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        wrong = (f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg']}" for each in error.errors())
        raise BadRequestError("; ".join(wrong)) from error
