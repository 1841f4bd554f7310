"""What is excluded from an invariant, and why. The table prints it."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.twin.schedule import Schedule


@dataclass(frozen=True)
class Exclusion:
    """Schedules of some faults that are not held to an invariant."""

    invariant: str
    kinds: tuple[str, ...]
    reason: str
    when: Callable[[Schedule], bool] = lambda _: True

    def covers(self, of: Schedule, invariant: str) -> bool:
        """Whether a breach of this invariant is excused."""
        return invariant == self.invariant and any(each.kind in self.kinds for each in of.faults) and self.when(of)


EXCLUDED: tuple[Exclusion, ...] = ()
