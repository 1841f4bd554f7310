"""What a contender is: something that acts on a view of the cluster, every so often."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from replay.contenders.view import View


@dataclass
class Periodic:
    """Something that happens every `period_seconds`, next at `due_seconds` (Unix)."""

    due_seconds: float
    period_seconds: float
    act: Callable[[float], None]


class Contender(Protocol):
    """What scales: a policy of ours, or a peer."""

    name: str

    def attach(self, view: View) -> Sequence[Periodic]:
        """Take control of a cluster; of two that are due together, the first in the list acts first."""
