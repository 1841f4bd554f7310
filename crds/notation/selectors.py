"""Label selectors, also in their text form, as `/scale` gives them: `a=b,c in (d,e),!f`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

NAME = r"[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?"
VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
FORMS = tuple(
    re.compile(rf"\s*{form}\s*(?:,(?=.)|$)")
    for form in (
        rf"(?P<key>{NAME})\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)",
        rf"(?P<key>{NAME})\s*(?P<operator>==|=|!=)\s*(?P<values>{VALUE})",
        rf"(?P<operator>!)\s*(?P<key>{NAME})(?P<values>)",
        rf"(?P<key>{NAME})(?P<operator>)(?P<values>)",
    )
)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One term. An absent label satisfies `!=`, `notin` and `!`, and nothing else."""

    key: str
    operator: str  # in, notin, exists or absent
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels satisfy it."""
        value = labels.get(self.key)
        match self.operator:
            case "in":
                return value is not None and value in self.values
            case "notin":
                return value is None or value not in self.values
            case "exists":
                return value is not None
            case _:
                return value is None


@dataclass(frozen=True, slots=True)
class Selector:
    """All of its terms together. Without any it matches everything."""

    requirements: tuple[Requirement, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels satisfy every term."""
        return all(each.matches(labels) for each in self.requirements)


EXPRESSIONS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "absent"}  # of matchExpressions
OPERATORS = {"in": "in", "=": "in", "==": "in", "notin": "notin", "!=": "notin", "!": "absent", "": "exists"}


def parse(text: str) -> Selector:
    """Read a selector. Raises ValueError that names the part which cannot be read."""
    found: list[Requirement] = []
    at = 0
    while at < len(text):
        match = next((hit for form in FORMS if (hit := form.match(text, at))), None)
        if match is None:
            raise ValueError(
                f"selector {text!r:.200}: cannot read {text[at:]!r:.200}; write terms like a=b, a in (b,c), !a"
            )
        operator = OPERATORS[match["operator"]]
        values = frozenset(value.strip() for value in match["values"].split(",")) if operator in ("in", "notin") else ()
        found.append(Requirement(match["key"], operator, frozenset(values)))
        at = match.end()
    return Selector(tuple(found))
