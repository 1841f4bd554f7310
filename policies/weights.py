"""How the weights of a pod come to the disk of its node."""

from dataclasses import dataclass
from enum import StrEnum

from policies.starts import Span


class Way(StrEnum):
    """What brings them."""

    ENGINE = ""  # the engine gets them itself, so that its warm-up includes them
    INIT = "init container"
    IMAGE = "image"
    PREFETCH = "prefetch"
    CACHE = "LocalModelCache"


@dataclass(frozen=True, slots=True)
class Came:
    """How the weights of one pod came, or those of the next one will."""

    way: Way | None = Way.ENGINE  # None: not known
    name: str = ""  # of what has them
    span: Span | None = None
