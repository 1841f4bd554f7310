"""Label and field selectors, as the API reads them from a query string."""

import re
from collections.abc import Callable, Mapping

from replay.simcluster import failures
from replay.simcluster.resources import Json, Resource

Matches = Callable[[Json], bool]

_KEY = r"[A-Za-z0-9][A-Za-z0-9_./-]*"
_VALUE = r"[A-Za-z0-9_.-]*"
_REQUIREMENT = re.compile(
    rf"\s*(?:(?P<absent>!)\s*(?P<absent_key>{_KEY})"
    rf"|(?P<key>{_KEY})(?:\s*(?P<op>==|=|!=)\s*(?P<value>{_VALUE})|\s+(?P<set_op>in|notin)\s*\((?P<set>[^()]*)\))?)\s*"
)


def labels(selector: str) -> Matches:
    """A predicate on objects; equality, set and existence requirements. `ApiError` 400 where it cannot be read."""
    tests: list[Callable[[Mapping[str, str]], bool]] = []
    at = 0
    while at < len(selector):
        found = _REQUIREMENT.match(selector, at)
        if found is None or (found.end() < len(selector) and selector[found.end()] != ","):
            raise failures.bad_request(f'unable to parse requirement: found "{selector[at:]}" in "{selector}"')
        tests.append(_label_test(found))
        at = found.end() + 1

    def matches(candidate: Json) -> bool:
        held = candidate["metadata"].get("labels") or {}
        return all(test(held) for test in tests)

    return matches


def _label_test(found: re.Match[str]) -> Callable[[Mapping[str, str]], bool]:
    if found["absent"]:
        absent = found["absent_key"]
        return lambda held: absent not in held
    key = found["key"]
    if found["set_op"]:
        choices = {choice.strip() for choice in found["set"].split(",")}
        wanted = found["set_op"] == "in"
        return lambda held: (key in held and held[key] in choices) == wanted
    if found["op"] is None:
        return lambda held: key in held
    value = found["value"]
    if found["op"] == "!=":
        return lambda held: held.get(key) != value
    return lambda held: held.get(key) == value


def fields(selector: str, resource: Resource) -> Matches:
    """A predicate on objects by the few fields that the API indexes. `ApiError` 400 for any other field."""
    wanted: list[tuple[tuple[str, ...], str, bool]] = []
    for part in filter(None, selector.split(",")):
        found = re.fullmatch(r"\s*([^=!\s]+)\s*(==|=|!=)\s*(.*?)\s*", part)
        if found is None:
            raise failures.bad_request(f'invalid field selector: "{part}"')
        path, operator, value = found.groups()
        if path not in {"metadata.name", "metadata.namespace", *resource.fields}:
            raise failures.bad_request(f'field label not supported: "{path}"')
        wanted.append((tuple(path.split(".")), value, operator != "!="))

    def matches(candidate: Json) -> bool:
        return all((_at(candidate, path) == value) == equal for path, value, equal in wanted)

    return matches


def _at(candidate: Json, path: tuple[str, ...]) -> str:
    value: object = candidate
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""
