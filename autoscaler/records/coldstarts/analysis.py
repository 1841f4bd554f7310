"""Everything that is shown of the cold starts of one policy."""

from dataclasses import dataclass
from typing import Self

from autoscaler.records.coldstarts.collect import ColdStarts
from autoscaler.records.coldstarts.savings import Savings, savings
from autoscaler.records.coldstarts.stages import Hidden, StageTimes, hidden, stage_times
from autoscaler.records.coldstarts.summary import Summary
from policies.errors import LogError
from policies.log import NONSENSE
from policies.starts import Start


@dataclass(frozen=True, slots=True)
class Analysis:
    """Of a policy, namespace/name."""

    name: str
    starts: tuple[Start, ...]  # in order of their requests
    summary: Summary
    hidden: tuple[Hidden, ...]
    stages: tuple[StageTimes, ...]
    savings: Savings | None

    @classmethod
    def of(cls, found: ColdStarts) -> Self:
        """Raises LogError where the log has values from which nothing can be computed."""
        starts = found.starts
        try:
            saved = savings(found)
        except NONSENSE as error:
            raise LogError(
                f"the log of {found.name} has values from which no savings can be computed: {error!r}"
            ) from error
        stages = stage_times(starts, found.expected, found.prior)
        return cls(found.name, tuple(starts), Summary.of(starts), tuple(hidden(starts)), tuple(stages), saved)
