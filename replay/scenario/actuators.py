"""What a cluster does for a cold start without holding a GPU. In a scenario every contender has it alike."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from crds.workload import Workload
from policies.supply import StageName


class Weights(StrEnum):
    """How the weights come to a node. All but `NONE` begin when the node registers."""

    NONE = "none"  # each replica's pod downloads them, once the image is there
    IMAGE = "image"  # an OCI image: pulled after the engine's where that is pulled ahead as well
    PREFETCH = "prefetch"  # a Job, beside the pulls


class CompileCache(StrEnum):
    """Where an engine keeps what it has compiled: the next start there has a shorter warm-up."""

    NONE = "none"
    NODE = "node"
    VOLUME = "volume"  # one for all nodes


@dataclass(frozen=True, slots=True)
class Actuators:
    """Those that exist."""

    pre_pull: bool = False  # pulls the image when a node registers, not when a replica is on it
    weights: Weights = Weights.NONE
    compile_cache: CompileCache = CompileCache.NONE

    @property
    def ahead(self) -> tuple[StageName, ...]:
        """The stages that begin when a node registers."""
        begun = {StageName.IMAGE: self.pre_pull, StageName.WEIGHTS: self.weights is not Weights.NONE}
        return tuple(name for name, early in begun.items() if early)

    def __str__(self) -> str:
        return ", ".join(self._named()) or "none"

    def _named(self) -> Iterator[str]:
        if self.pre_pull:
            yield "image pre-pull"
        if self.weights is Weights.PREFETCH:
            yield "weights prefetch"
        if self.weights is Weights.IMAGE:
            yield "weights as an image"
        if self.compile_cache is not CompileCache.NONE:
            yield f"a compile cache on {'each node' if self.compile_cache is CompileCache.NODE else 'a volume'}"


NO_ACTUATORS = Actuators()


def actuators_of(
    workload: Workload, *, pre_pull: bool | None = None, weights: str | None = None, compile_cache: str = "none"
) -> Actuators:
    """Those that are asked for here, else by the policy."""
    return Actuators(bool(pre_pull), Weights(weights or "none"), CompileCache(compile_cache))
