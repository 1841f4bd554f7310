"""The figures that contenders are compared in."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from replay.driver import Outcome
from replay.optimum import Optimum


@dataclass(frozen=True, slots=True)
class Column:
    """One figure of an outcome, `lower` being better or not."""

    name: str
    value: Callable[[Outcome], float]
    show: Callable[[float], str]
    lower: bool = True
    header: str = ""  # the name, short and broken into lines

    @property
    def heading(self) -> str:
        """The name above a column, on as many lines as it has."""
        return self.header or self.name

    def shown(self, outcome: Outcome) -> str:
        """The figure as it is read."""
        return self.show(self.value(outcome))

    def loss(self, outcome: Outcome) -> float:
        """The figure, so turned that less is better."""
        return self.value(outcome) if self.lower else -self.value(outcome)

    def order(self, one: Outcome, other: Outcome) -> int:
        """-1 where the one is better, 1 where it is worse, 0 where both are shown alike."""
        if self.shown(one) == self.shown(other):
            return 0
        return -1 if self.loss(one) < self.loss(other) else 1


def columns(slo_wait_seconds: float, clairvoyant: Optimum | None = None) -> tuple[Column, ...]:
    """The figures that contenders are judged by; the SLO's own wait has one where it is neither 1 s nor 5 s.

    With a clairvoyant there is the cost as a multiple of its cost.
    """
    shares: dict[float, Callable[[Outcome], float]] = {slo_wait_seconds: lambda it: it.attainment}
    shares |= {1.0: lambda it: it.score.share_within_1s, 5.0: lambda it: it.score.share_within_5s}
    waited = (
        Column(f"waited at most {seconds:g} s", share, percent, lower=False, header=f"within\n{seconds:g} s")
        for seconds, share in sorted(shares.items(), key=lambda item: item[0])
    )
    multiple = () if clairvoyant is None else (_multiple(clairvoyant),)
    return (
        Column("GPU-hours", lambda it: it.score.gpu_hours, lambda hours: f"{hours:,.2f}", header="GPU-\nhours"),
        *multiple,
        Column("cost", lambda it: it.score.cost, lambda dollars: f"${dollars:,.2f}"),
        *waited,
        Column("p99 wait", lambda it: it.score.p99_wait_seconds, wait, header="p99\nwait"),
        Column(
            "delayed by a cold start",
            lambda it: float(it.score.cold_starts_met),
            whole,
            header="delayed\nby cold\nstart",
        ),
        Column("failed", lambda it: float(it.score.failed), whole),
    )


def _multiple(clairvoyant: Optimum) -> Column:
    return Column("cost / clairvoyant", clairvoyant.ratio, "{:.2f}".format, header="cost /\nclair-\nvoyant")


def percent(share: float) -> str:
    """A share of one, cut off behind hundredths of a percent: 99.999 % must not read as all."""
    return f"{math.floor(share * 10_000 + 1e-9) / 100:.2f}%"


def wait(seconds: float) -> str:
    """Seconds; infinite where more than one in a hundred failed."""
    return "never" if math.isinf(seconds) else f"{seconds:,.1f} s"


def whole(count: float) -> str:
    """A count, with thousands marked."""
    return f"{count:,.0f}"
