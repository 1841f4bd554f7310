"""What a ScalingPolicy becomes: the workload to scale."""

from dataclasses import dataclass
from enum import StrEnum

from policies.model import Mode, Policy
from policies.supply import ColdStart


@dataclass(frozen=True, slots=True)
class Target:
    """What is scaled: any object with a /scale subresource, in the policy's namespace."""

    api_version: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class KeyRef:
    """A key of a ConfigMap or a Secret in the policy's namespace."""

    name: str
    key: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how each pod of the target serves vLLM's metrics."""

    scheme: str
    ports: tuple[int, ...]  # a pod's sample is the sum over them
    path: str
    ca: KeyRef | None = None  # of a ConfigMap; None: the CAs of the system
    server_name: str | None = None
    skip_verify: bool = False
    bearer: KeyRef | None = None  # of a Secret
    headers: tuple[tuple[str, str], ...] = ()
    pod_labels: tuple[
        tuple[str, str], ...
    ] = ()  # that a pod must have, beside the target's selector, to count as a replica


@dataclass(frozen=True, slots=True)
class Schedule:
    """A weekly window with a minimum. It starts on each of `days`; an end before the start is on the next day."""

    name: str
    days: tuple[str, ...]
    start: str
    end: str
    time_zone: str
    min_replicas: int


class WeightsMethod(StrEnum):
    """How a model's weights come to the nodes."""

    NONE = "none"
    IMAGE = "image"
    PREFETCH = "prefetch"
    LOCAL_MODEL_CACHE = "localModelCache"


@dataclass(frozen=True, slots=True)
class Prefetch:
    """The container that copies weights to a node's disk."""

    image: str
    args: tuple[str, ...]
    secret: str  # of the policy's namespace; empty: none
    service_account: str  # empty: no token
    path: str  # the model's folder on the node; the folder above it is the cache
    max_bytes: int  # of the cache


@dataclass(frozen=True, slots=True)
class Weights:
    """How the weights come to the nodes before a replica needs them, if they do."""

    method: WeightsMethod = WeightsMethod.NONE
    image: str = ""  # with method image
    prefetch: Prefetch | None = None  # with method prefetch
    cache: str = ""  # the name of a LocalModelCache, with method localModelCache


@dataclass(frozen=True, slots=True)
class Workload:
    """What one policy scales, and how: every default is resolved."""

    namespace: str
    name: str
    generation: int
    uid: str
    target: Target
    endpoint: Endpoint
    profile: str
    cold_start: ColdStart
    schedules: tuple[Schedule, ...]
    policy: Policy
    pre_pull: bool = False  # whether the image is pulled before a replica needs it
    weights: Weights = Weights()
    pool: str = ""  # the name of a GPUPool; empty: none

    @property
    def mode(self) -> Mode:
        """Whether decisions are carried out."""
        return self.policy.mode

    @property
    def gpus_per_replica(self) -> int:
        """GPUs that each replica holds."""
        return self.policy.gpus_per_replica

    @property
    def price_per_gpu_hour(self) -> float:
        """In US dollars."""
        return self.policy.price_per_gpu_hour

    @property
    def summary(self) -> str:
        """The target, the bounds and the service level in one line."""
        policy, target = self.policy, self.target
        return (
            f"{target.kind} {target.name}, {policy.min_replicas} to {policy.max_replicas} replicas; "
            f"{policy.attainment * 100:g}% of requests wait at most {policy.queue_wait_seconds:g} s; {self.mode}"
            + (f"; GPUs of pool {self.pool}" if self.pool else "")
        )

    @property
    def claims(self) -> dict[str, str]:
        """What no other policy may have, by the field that states it."""
        target = self.target
        group, _, _ = target.api_version.rpartition("/")  # every version of a group has the same objects
        kind = f"{target.kind}.{group}" if group else target.kind
        return {
            "metadata.name": f"{self.namespace}/{self.name}",
            "spec.target": f"{kind} {self.namespace}/{target.name}",
        }
