"""What a ScalingPolicy becomes: a service to scale, or problems to mend."""

from dataclasses import dataclass
from enum import StrEnum

from policies.model import ColdStart, Policy


class Mode(StrEnum):
    """Whether decisions are acted on."""

    ACTIVE = "Active"
    SHADOW = "Shadow"  # everything but acting


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a custom resource. `value` is None where something is missing."""

    path: str
    value: object
    why: str
    instead: str


@dataclass(frozen=True, slots=True)
class Target:
    """What is scaled: anything with a /scale subresource, in the policy's namespace."""

    api_version: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where each pod of the target serves vLLM's metrics."""

    scheme: str
    port: int
    path: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """A weekly window with a minimum. `days` are those on which it starts; an end before the start is the next day's."""

    name: str
    days: tuple[str, ...]
    start: str
    end: str
    time_zone: str
    min_replicas: int


@dataclass(frozen=True, slots=True)
class Workload:
    """One policy, whole: every default is resolved."""

    namespace: str
    name: str
    generation: int
    uid: str
    mode: Mode
    target: Target
    endpoint: Endpoint
    gpus_per_replica: int
    schedules: tuple[Schedule, ...]
    cold_start: ColdStart
    policy: Policy
