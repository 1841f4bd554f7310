"""What a cluster does for a cold start without holding a GPU. In a scenario every contender has it alike."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

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


NAMED: dict[str, tuple[str, bool | WeightsMethod | CompileCache]] = {
    "pre-pull": ("pre_pull", True),
    "prefetch": ("weights", WeightsMethod.PREFETCH),
    "weights-image": ("weights", WeightsMethod.IMAGE),
    "compile-cache": ("compile_cache", CompileCache.VOLUME),
    "node-compile-cache": ("compile_cache", CompileCache.NODE),
}


def named(text: str) -> Actuators:
    """Those of `none`, or of `pre-pull,prefetch` and its like. Raises ValueError that names the option."""
    names = [] if text == "none" else [name.strip() for name in text.split(",")]
    found: dict[str, Any] = {}
    for name in names:
        if name == "none":
            raise ValueError(f"--actuators {text!r}: none stands alone; leave it out, or the others")
        if name not in NAMED:
            near = get_close_matches(name, NAMED, n=1)
            instead = f"; did you mean {near[0]}?" if near else "."
            raise ValueError(f"--actuators {name!r} is unknown{instead} All: {', '.join(NAMED)}, or none")
        field, value = NAMED[name]
        if found.setdefault(field, value) != value:
            alike = " and ".join(each for each in names if NAMED.get(each, ("",))[0] == field)
            raise ValueError(f"--actuators {alike} exclude each other; keep one")
    return Actuators(**found)


def asked_for(workload: Workload) -> Actuators:
    """Those of a policy."""
    return Actuators(workload.pre_pull, workload.weights.method)
