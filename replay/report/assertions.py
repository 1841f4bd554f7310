"""Assertions on a replay, for continuous integration: NAME=VALUE, and what was measured."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from crds.notation.units import seconds
from replay.driver import Outcome
from replay.report.columns import percent, whole


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure that can be asserted. `read` raises ValueError for a value in another unit."""

    measured: Callable[[Outcome], float]
    read: Callable[[str], float]
    show: Callable[[float, int], str]  # with so many decimals
    example: str
    at_least: bool = False


def _share(text: str) -> float:
    number, sign, rest = text.partition("%")
    if not sign or rest:
        raise ValueError("not a percentage")
    _within(float(number), 100.0)
    return float(Decimal(number) / 100)


def _number(text: str) -> float:
    return _within(float(text))


def _dollars(text: str) -> float:
    return _number(text.removeprefix("$"))


def _count(text: str) -> float:
    return float(_within(int(text)))


def _seconds(value: float, digits: int) -> str:
    return f"{value:,.{digits}f} s"


def _within(value: float, most: float = math.inf) -> float:
    if not 0.0 <= value <= most or math.isinf(value):
        raise ValueError("out of range")
    return value


METRICS = {
    "attainment": Metric(lambda it: it.attainment, _share, lambda share, _: percent(share), "99%", at_least=True),
    "gpu-hours": Metric(lambda it: it.score.gpu_hours, _number, lambda hours, digits: f"{hours:,.{digits}f}", "12.5"),
    "cost": Metric(lambda it: it.score.cost, _dollars, lambda dollars, digits: f"${dollars:,.{digits}f}", "$40"),
    "p99-wait": Metric(lambda it: it.score.p99_wait_seconds, seconds, _seconds, "2s"),
    "p99-first-token": Metric(lambda it: it.score.p99_first_token_seconds, seconds, _seconds, "3s"),
    "cold-starts": Metric(lambda it: float(it.score.cold_starts_met), _count, lambda count, _: whole(count), "500"),
    "failed": Metric(lambda it: float(it.score.failed), _count, lambda count, _: whole(count), "0"),
}


@dataclass(frozen=True, slots=True)
class Assertion:
    """What is asked of one figure."""

    name: str
    text: str  # of the value, as it was written
    bound: float

    @property
    def asked(self) -> str:
        """The bound and its direction."""
        return f"at {'least' if METRICS[self.name].at_least else 'most'} {self.text}"


@dataclass(frozen=True, slots=True)
class Checked:
    """An assertion beside what was measured."""

    assertion: Assertion
    measured: float

    @property
    def passed(self) -> bool:
        """Whether it holds; a value that is not a number holds nothing."""
        bound = self.assertion.bound
        return self.measured >= bound if METRICS[self.assertion.name].at_least else self.measured <= bound

    @property
    def line(self) -> str:
        """One line for a log, with as many decimals as it takes to see why the assertion fails."""
        metric, asked = METRICS[self.assertion.name], self.assertion
        shown = "could not be measured"
        if math.isfinite(self.measured):
            tries = ((metric.show(self.measured, digits), metric.show(asked.bound, digits)) for digits in range(2, 12))
            shown = next((figure for figure, bound in tries if self.passed or figure != bound), str(self.measured))
        return f"{'pass' if self.passed else 'FAIL'}  {asked.name}: {shown} (asked: {asked.asked})"

    @property
    def document(self) -> dict[str, Any]:
        """As JSON values, in the figure's own unit; what could not be measured is null."""
        return {
            "name": self.assertion.name,
            "asked": self.assertion.asked,
            "bound": self.assertion.bound,
            "measured": self.measured if math.isfinite(self.measured) else None,
            "passed": self.passed,
        }


def parse(text: str) -> Assertion:
    """Read NAME=VALUE. Raises ValueError that names the nearest metric, or the unit that is missing."""
    name, _, value = text.partition("=")
    metric = METRICS.get(name)
    if metric is None:
        near = get_close_matches(name, METRICS, n=1)
        instead = f"; did you mean {near[0]}?" if near else "."
        raise ValueError(f"--assert {text!r}: no figure {name!r}{instead} All: {', '.join(METRICS)}")
    try:
        bound = metric.read(value)
    except ValueError:
        raise ValueError(
            f"--assert {text!r}: the value cannot be read; write it like {name}={metric.example}"
        ) from None
    return Assertion(name, value, bound)


def check(assertions: Iterable[Assertion], outcome: Outcome) -> tuple[Checked, ...]:
    """Compare each with the outcome."""
    return tuple(Checked(each, METRICS[each.name].measured(outcome)) for each in assertions)
