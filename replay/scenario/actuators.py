"""What a cluster does for a cold start without holding a GPU. In a scenario every contender has it alike."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from crds.workload import WeightsMethod, Workload
from policies.supply import StageName


class CompileCache(StrEnum):
    """Where an engine keeps what it has compiled: the next start there has a shorter warm-up."""

    NONE = "none"
    NODE = "node"
    VOLUME = "volume"  # one for all nodes


@dataclass(frozen=True, slots=True)
class Actuators:
    """Those that exist."""

    pre_pull: bool = False  # pulls the image when a node registers, not when a replica is on it
    weights: WeightsMethod = WeightsMethod.NONE  # all but none begin when a node registers, not when a replica is on it
    compile_cache: CompileCache = CompileCache.NONE

    @property
    def ahead(self) -> tuple[StageName, ...]:
        """The stages that begin when a node registers."""
        begun = {StageName.IMAGE: self.pre_pull, StageName.WEIGHTS: self.weights is not WeightsMethod.NONE}
        return tuple(name for name, early in begun.items() if early)

    def __str__(self) -> str:
        return ", ".join(self._named()) or "none"

    def _named(self) -> Iterator[str]:
        if self.pre_pull:
            yield "image pre-pull"
        if self.weights is not WeightsMethod.NONE:
            yield WEIGHTS[self.weights]
        if self.compile_cache is not CompileCache.NONE:
            yield f"a compile cache on {'each node' if self.compile_cache is CompileCache.NODE else 'a volume'}"


WEIGHTS = {
    WeightsMethod.IMAGE: "weights in an image",  # pulled after the engine's where that is pulled ahead as well
    WeightsMethod.PREFETCH: "weights prefetch",  # beside the pulls
    WeightsMethod.LOCAL_MODEL_CACHE: "a local model cache",  # likewise
}
NO_ACTUATORS = Actuators()


def actuators_of(
    workload: Workload, *, pre_pull: bool | None = None, weights: str | None = None, compile_cache: str = "none"
) -> Actuators:
    """Those that are asked for here, else by the policy."""
    return Actuators(
        workload.pre_pull if pre_pull is None else pre_pull,
        workload.weights.method if weights is None else WeightsMethod(weights),
        CompileCache(compile_cache),
    )
