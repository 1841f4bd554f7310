"""What a field alone cannot tell: each rule once, as CEL for the API server and as Python for `outrider check`."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from crds.notation import units


@dataclass(frozen=True, slots=True)
class Rule:
    """A law over one object of the schema. `cel` and `holds` say the same of `self`, every default filled in."""

    at: str  # the object that is `self`: "" is the root, "[]" goes into a list
    field: str  # the member that is blamed
    cel: str
    why: str
    instead: str
    holds: Callable[[Any], bool]
    unknown: str = ""  # a pattern of field names that no object has and that make the same mistake

    @property
    def path(self) -> str:
        """The path of the member that is blamed."""
        return f"{self.at}.{self.field}".lstrip(".")

    @property
    def reads(self) -> frozenset[str]:
        """The members of `self` that it speaks of."""
        return frozenset(re.findall(r"self\.([A-Za-z0-9]+)", self.cel))

    @property
    def message(self) -> str:
        """What the API server answers."""
        return f"{self.why}; instead: {self.instead}"


def duration_between(at: str, field: str, low: str, high: str) -> Rule:
    """A duration within these bounds, or none."""
    return Rule(
        at,
        field,
        f"!has(self.{field}) || (duration(self.{field}) >= duration('{low}') && "
        f"duration(self.{field}) <= duration('{high}'))",
        f"out of range, which is {low} to {high}",
        f"a duration from {low} to {high}",
        lambda it: field not in it or units.seconds(low) <= units.seconds(it[field]) <= units.seconds(high),
    )


def quantity_between(at: str, field: str, low: str, high: str) -> Rule:
    """A quantity within these bounds, or none."""
    read = f"quantity(string(self.{field}))"
    return Rule(
        at,
        field,
        f"!has(self.{field}) || ({read}.compareTo(quantity('{low}')) >= 0 && "
        f"{read}.compareTo(quantity('{high}')) <= 0)",
        f"out of range, which is {low} to {high}",
        f"a quantity from {low} to {high}",
        lambda it: field not in it or units.quantity(low) <= units.quantity(it[field]) <= units.quantity(high),
    )
