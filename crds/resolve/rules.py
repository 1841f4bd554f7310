"""Rules that involve more than a field's type: each stated once, as CEL for the API server and as Python for `outrider check`."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from crds.notation import units


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule about one object of the schema. `cel` and `holds` test the same of `self`, with every default filled in."""

    at: str  # the object that is `self`: "" is the root, "[]" goes into a list
    field: str  # the member that a problem is reported for
    cel: str
    why: str
    instead: str
    holds: Callable[[Any], bool]
    unknown: str = ""  # a pattern of names of unknown fields that are the same mistake
    culprits: Callable[[Any], list[int]] = lambda _it: []  # where the field is a list: the items that break the rule
    culprit: str = ""  # the member of such an item

    @property
    def path(self) -> str:
        """The path of the member that a problem is reported for."""
        return f"{self.at}.{self.field}".lstrip(".")

    @property
    def reads(self) -> frozenset[str]:
        """The members of `self` that it reads."""
        return frozenset(re.findall(r"self\.([A-Za-z0-9]+)", self.cel))

    @property
    def message(self) -> str:
        """The API server's message."""
        return f"{self.why}; instead: {self.instead}"


def duration_between(at: str, field: str, low: str, high: str) -> Rule:
    """The field, where set, is a duration within these bounds."""
    return Rule(
        at,
        field,
        f"!has(self.{field}) || (duration(self.{field}) >= duration('{low}') && "
        f"duration(self.{field}) <= duration('{high}'))",
        "out of range",
        f"a duration from {low} to {high}",
        lambda it: field not in it or units.seconds(low) <= units.seconds(it[field]) <= units.seconds(high),
    )


def quantity_between(at: str, field: str, low: str, high: str) -> Rule:
    """The field, where set, is a quantity within these bounds."""
    read = f"quantity(string(self.{field}))"
    return Rule(
        at,
        field,
        f"!has(self.{field}) || ({read}.compareTo(quantity('{low}')) >= 0 && "
        f"{read}.compareTo(quantity('{high}')) <= 0)",
        "out of range",
        f"a quantity from {low} to {high}",
        lambda it: field not in it or units.quantity(low) <= units.quantity(it[field]) <= units.quantity(high),
    )
