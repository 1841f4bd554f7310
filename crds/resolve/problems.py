"""What is wrong with a resource, as problems: the path, the value, why, and what to write instead."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from pydantic_core import ErrorDetails

from crds.resolve.rules import Rule
from crds.structural import Schema

Location = tuple[int | str, ...]
_KINDS = {"model_type": "an object", "dict_type": "an object", "list_type": "a list", "string_type": "a string"}
_KINDS |= {
    "bool_type": "a boolean",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a custom resource. `value` is None where something is missing."""

    path: str
    value: object
    why: str
    instead: str


def problem(error: ErrorDetails, schema: Schema, rules: Iterable[Rule]) -> Problem:
    """One validation error as a problem. `schema` is the described one of the whole resource, `rules` are its kind's."""
    location, kind, context = error["loc"], error["type"], error.get("ctx", {})
    if location[-1:] == ("[key]",):
        location = location[:-1]
    path, value, member = dotted(location), error["input"], _member(schema, location)
    if kind == "refused":
        return Problem(path, value, context["why"], context["instead"])
    if kind == "missing":
        return Problem(path, None, "this field is required", f"{location[-1]}: {_example(member)}")
    if kind in ("extra_forbidden", "invalid_key"):
        return _unknown(path, value, str(location[-1]), _member(schema, location[:-1]), rules)
    if kind == "literal_error":
        return Problem(path, value, "not one of the allowed values", _choice(value, member.get("enum", [])))
    return Problem(path, value, _why(kind, context), _fitting(member))


def _why(kind: str, context: Mapping[str, Any]) -> str:
    if kind in _KINDS:
        return f"not {_KINDS[kind]}"
    if kind in ("greater_than_equal", "less_than_equal"):
        return f"below the minimum of {context['ge']}" if "ge" in context else f"above the maximum of {context['le']}"
    if kind in ("too_long", "too_short"):
        limit = f"at most {context['max_length']}" if kind == "too_long" else f"at least {context['min_length']}"
        return f"{context['actual_length']} items, but there must be {limit}"
    return {
        "string_too_long": f"longer than {context.get('max_length')} characters",
        "string_too_short": "empty",
        "string_pattern_mismatch": f"does not match the pattern {context.get('pattern')}",
        "int_parsing_size": "too large",
        "string_unicode": "not valid Unicode",
    }.get(kind, kind.replace("_", " "))


def _unknown(path: str, value: object, name: str, parent: Schema, rules: Iterable[Rule]) -> Problem:
    name, members = name.lower(), {member.lower(): member for member in parent.get("properties", {})}
    slip = difflib.get_close_matches(name, members, n=1, cutoff=0.8)  # pricePerGPUHour is no attempt at utilisation
    rule = next((rule for rule in rules if rule.unknown and re.search(rule.unknown, name)), None)
    if rule and not slip:
        return Problem(path, value, rule.why, f"{rule.path}: {rule.instead}")
    close = difflib.get_close_matches(name, members, n=1)
    instead = members[close[0]] if close else spell(members.values(), "or")
    return Problem(path, value, "there is no such field", instead)


def _choice(value: object, choices: list[str]) -> str:
    by_small = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(str(value).lower(), by_small, n=1)
    return by_small[close[0]] if close else spell(choices, "or")


def _fitting(member: Schema) -> str:
    low, high = member.get("minimum"), member.get("maximum")
    if low is not None and high is not None:
        return f"a whole number from {low} to {high}"
    if "enum" in member:
        return spell(member["enum"], "or")
    if member.get("type") == "boolean":
        return "true or false"
    example = _example(member)
    return f"an object; its fields are {spell(member['properties'])}" if member.get("properties") else f"{example}"


def _example(member: Schema) -> str:
    if examples := member.get("examples"):
        return str(examples[0])
    if member.get("type") == "object":
        required = member.get("required", [])
        members = member.get("properties", {})
        return "{" + ", ".join(f"{name}: {_example(members[name])}" for name in required) + "}"
    if member.get("type") == "array":
        return f"[{_example(member.get('items', {}))}]"
    return str(member.get("default", (member.get("enum") or [member.get("type", "a value")])[0]))


def _member(schema: Schema, location: Location) -> Schema:
    for step in location:
        schema = schema.get("items", {}) if isinstance(step, int) else schema.get("properties", {}).get(step, {})
    return schema


def dotted(location: Location) -> str:
    """A location as `kubectl explain` and the API server write it: `spec.schedules[0].start`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{printable(step)}" for step in location)
    return "".join(steps).removeprefix(".")


def printable(text: str) -> str:
    """The text, escaped if it would move a terminal's cursor or is not made of characters."""
    return text if text.isprintable() else ascii(text)[1:-1]


def spell(names: Iterable[str], last: str = "and") -> str:
    """Names as a list in a sentence."""
    *others, final = [str(name) for name in names] or ["none"]
    return f"{', '.join(others)} {last} {final}" if others else final


def locate(document: object, at: str) -> Iterator[tuple[str, Any]]:
    """The objects at a rule's place, each with its path; none if something else is there."""
    found: list[tuple[str, object]] = [("", document)]
    for step in filter(None, at.split(".")):
        name = step.removesuffix("[]")
        found = [(f"{path}.{name}", it[name]) for path, it in found if isinstance(it, Mapping) and name in it]
        if step.endswith("[]"):
            lists = [(path, it) for path, it in found if isinstance(it, list)]
            found = [(f"{path}[{i}]", item) for path, items in lists for i, item in enumerate(items)]
    return ((path.lstrip("."), it) for path, it in found if isinstance(it, Mapping))


def broken(rules: Iterable[Rule], document: object, blamed: Iterable[str]) -> Iterator[Problem]:
    """The rules that a document breaks, except those that read a member which has a problem already."""
    done = set(blamed)
    for rule in rules:
        for path, it in locate(document, rule.at):
            where = f"{path}.{rule.field}".lstrip(".")
            if not done.isdisjoint({where, *(f"{path}.{member}".lstrip(".") for member in rule.reads)}):
                continue  # one problem for one mistake
            try:
                holds = rule.holds(it)
            except (AttributeError, KeyError, TypeError, ValueError):
                continue  # what the rule reads is missing or of another type; that has its own problem
            if not holds:
                done.add(where)
                value = reduce(lambda inner, name: inner[name], rule.field.split("."), it)
                places = [(f"{where}[{i}].{rule.culprit}", value[i][rule.culprit]) for i in rule.culprits(it)]
                for place, wrong in places or [(where, value)]:
                    yield Problem(place, wrong, rule.why, rule.instead)
