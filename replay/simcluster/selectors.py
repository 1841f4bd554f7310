"""Label and field selectors, as the API reads them from a query string."""

import re
from collections.abc import Callable

from crds.notation.selectors import parse
from replay.simcluster import failures
from replay.simcluster.resources import Json, Resource

Matches = Callable[[Json], bool]


def labels(selector: str) -> Matches:
    """A predicate on objects by their labels. `ApiError` 400 where the selector cannot be read."""
    try:
        wanted = parse(selector)
    except ValueError as error:
        raise failures.bad_request(f"unable to parse requirement: {error}") from None
    return lambda candidate: wanted.matches(candidate["metadata"].get("labels") or {})


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
