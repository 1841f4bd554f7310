"""The figures that contenders are compared in."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from replay.driver import Outcome


@dataclass(frozen=True, slots=True)
class Column:
    """One figure of an outcome, `lower` being better or not. Figures are compared as they are shown."""

    name: str
    value: Callable[[Outcome], float]
    show: Callable[[float], str]
    digits: int  # behind the point that count
    lower: bool = True

    def loss(self, outcome: Outcome) -> float:
        """The figure as it is shown, so turned that less is better."""
        value = self.value(outcome)
        value = value if math.isinf(value) else cut(value, self.digits)
        return value if self.lower else -value


def columns(slo_wait_seconds: float) -> tuple[Column, ...]:
    """The columns of a comparison; the SLO's own wait has one where it is neither 1 s nor 5 s."""
    slo = Column(f"waited at most {slo_wait_seconds:g} s", lambda it: it.attainment, percent, 4, lower=False)
    return (
        Column("GPU-hours", lambda it: it.score.gpu_hours, lambda hours: f"{cut(hours, 2):,.2f}", 2),
        Column("cost", lambda it: it.score.cost, lambda dollars: f"${cut(dollars, 2):,.2f}", 2),
        Column("waited at most 1 s", lambda it: it.score.share_within_1s, percent, 4, lower=False),
        Column("waited at most 5 s", lambda it: it.score.share_within_5s, percent, 4, lower=False),
        *(() if slo_wait_seconds in (1.0, 5.0) else (slo,)),
        Column("p99 wait", lambda it: it.score.p99_wait_seconds, wait, 1),
        Column("cold starts met", lambda it: float(it.score.cold_starts_met), whole, 0),
        Column("failed", lambda it: float(it.score.failed), whole, 0),
    )


def cut(value: float, digits: int) -> float:
    """So many digits behind the point, the rest cut off: 99.999 % must not read as all."""
    return math.floor(value * 10.0**digits + 1e-9) / 10.0**digits


def percent(share: float) -> str:
    """A share of one, in hundredths of a percent."""
    return f"{100 * cut(share, 4):.2f}%"


def wait(seconds: float) -> str:
    """Infinite where more than one in a hundred failed."""
    return "never" if math.isinf(seconds) else f"{cut(seconds, 1):,.1f} s"


def whole(count: float) -> str:
    """A count, with thousands marked."""
    return f"{count:,.0f}"
