"""What the text of a file holds: valid resources, problems with their lines, and resources of other APIs."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from os.path import dirname
from typing import Any

from crds.documents import Document, Unreadable, read
from crds.kinds import MOST_PROBLEMS, Kind, Resolved, meant, names
from crds.resolve.problems import Problem, printable
from crds.rivals import Claim, age, taken
from crds.v1alpha1.resource import API_VERSION

_NO_OBJECT = ("not an object", f"a {names()}")
_NO_RESOURCE = ("neither apiVersion nor kind is set", f"apiVersion: {API_VERSION} and kind: {names()}")


@dataclass(frozen=True, slots=True)
class Found:
    """One resource of a file: resolved, or problems (each with its line), or neither if it belongs to another API."""

    file: str
    line: int
    title: str  # kind and name, as far as they are written; empty for a file that cannot be read
    raw: object = None
    resolved: Resolved | None = None
    problems: tuple[tuple[int, Problem], ...] = ()
    warnings: tuple[tuple[int, Problem], ...] = ()  # of a valid resource
    document: Document | None = field(default=None, repr=False, compare=False)
    prefix: str = ""  # of its paths in the document

    @property
    def judged(self) -> bool:
        """Whether it is a resource of this API, or cannot be read; False for another API's."""
        return self.resolved is not None or bool(self.problems)

    @property
    def where(self) -> str:
        """FILE:LINE, or FILE where there is no line."""
        return f"{self.file}:{self.line}" if self.line else self.file

    def at(self, problem: Problem) -> tuple[int, Problem]:
        """A problem of this resource with its line."""
        if self.document is None:
            return self.line, problem
        return _placed(self.document, _below(self.prefix, [problem]))[0]

    def lines(self) -> Iterator[str]:
        """A line for each problem, as compilers write them."""
        return (self._written(line, problem) for line, problem in self.problems)

    def warned(self) -> Iterator[str]:
        """A line for each warning."""
        return (self._written(line, problem, "warning: ") for line, problem in self.warnings)

    def _written(self, line: int, problem: Problem, level: str = "") -> str:
        where = f"{self.file}:{line}" if line else self.file
        what = ": ".join(part for part in (_cut(problem.path, 300) or self.title, shown(problem.value)) if part)
        return f"{where}: {level}{what}{': ' if what else ''}{problem.why}; instead: {problem.instead}"


def inspect(file: str, text: str) -> Iterator[Found]:
    """Everything in a file, in its order; lists (`kubectl get -o yaml`) are opened. Never raises."""
    for document in read(text):
        if isinstance(document, Unreadable):
            why = f"not valid YAML at column {document.column}: {document.why}"
            yield unreadable(file, document.line, Problem("", None, printable(why), printable(document.instead)))
            continue
        for prefix, raw in _resources(document.value):
            doubled = [problem for problem in document.problems if problem.path.startswith(prefix)]
            line = document.line(prefix.removesuffix("."))
            kind, result = _judged(raw)
            if kind is None and result is None:
                yield Found(file, line, _title(raw), raw)
                continue
            resolved, wrong = (None, result) if isinstance(result, list) else (result, [])
            problems = _placed(document, [*doubled[:MOST_PROBLEMS], *_below(prefix, wrong)])
            if problems or resolved is None or kind is None:
                yield Found(file, line, _title(raw), raw, problems=problems)
            else:
                warnings = _placed(document, _below(prefix, kind.contradictions(resolved)))
                yield Found(file, line, _title(raw), raw, resolved, (), warnings, document, prefix)


def _judged(raw: object) -> tuple[Kind[Any, Any] | None, Any]:
    """The kind, and the resource resolved or its problems; both None for another API's."""
    if not isinstance(raw, Mapping):
        return None, [Problem("", raw, *_NO_OBJECT)]
    kind = meant(raw)
    if kind is not None and raw.keys().isdisjoint(("apiVersion", "kind", "spec")):
        return None, [
            Problem("", None, *_NO_RESOURCE)
        ]  # a file of values; a list of what a resource needs would not help
    return kind, None if kind is None else kind.resolve(raw)


def unreadable(file: str, line: int, problem: Problem) -> Found:
    """An entry for a part of a file that is not a resource at all."""
    return Found(file, line, "", problems=((line, problem),))


def rivals(resources: Iterable[Found]) -> list[Found]:
    """The same resources. One that claims what an older one of its kind has, such as its target, gets a problem.

    From another folder it is a warning: the folders may be for different clusters.
    """
    resources = list(resources)
    owners: dict[tuple[type, Claim], Found] = {}
    for found in sorted(
        resources, key=lambda each: age(each.raw)
    ):  # of those that no cluster has, the first in the files
        for claim in found.resolved.claims.items() if found.resolved else ():
            owners.setdefault((type(found.resolved), claim), found)
    judged = []
    for found in resources:
        problems, warnings = [], list(found.warnings)
        for claim in found.resolved.claims.items() if found.resolved else ():
            other = owners[type(found.resolved), claim]
            if other is not found:
                problem = taken(claim, f"{other.title} ({other.where})")
                if dirname(other.file) == dirname(found.file):
                    problems.append((found.line, problem))
                else:
                    instead = f"{problem.instead}, unless the folders are for different clusters"
                    warnings.append((found.line, replace(problem, instead=instead)))
        if problems:
            judged.append(replace(found, resolved=None, problems=tuple(problems), warnings=()))
        else:
            judged.append(replace(found, warnings=tuple(warnings)))
    return judged


def shown(value: object) -> str:
    """A value on one line, cut if it is long; empty if something is missing."""
    if value is None:
        return ""
    return _cut(printable(as_json(value)), 60)


def as_json(value: object) -> str:
    """A value as JSON, whatever it is."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
    except (TypeError, ValueError):  # keys that are not strings, NaN, a list inside itself
        return json.dumps(repr(value), ensure_ascii=False)


def _resources(value: object) -> Iterator[tuple[str, object]]:
    """The resources of a document, each with the beginning of its paths."""
    items = value.get("items") if isinstance(value, Mapping) and str(value.get("kind", "")).endswith("List") else None
    if isinstance(items, list):
        yield from ((f"items[{i}].", item) for i, item in enumerate(items))
    else:
        yield "", value


def _title(raw: object) -> str:
    if not isinstance(raw, Mapping):
        return "document"
    metadata = raw.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    name = "/".join(str(metadata[key]) for key in ("namespace", "name") if metadata.get(key))
    return _cut(printable(f"{raw.get('kind') or 'document without a kind'} {name}".rstrip()), 400)  # names: 63 + 253


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."


def _below(prefix: str, problems: Iterable[Problem]) -> list[Problem]:
    return [replace(problem, path=f"{prefix}{problem.path}".rstrip(".")) for problem in problems]


def _placed(document: Document, problems: Iterable[Problem]) -> tuple[tuple[int, Problem], ...]:
    """Each with its line, in the order of the file."""
    return tuple(sorted(((document.line(it.path), it) for it in problems), key=lambda pair: pair[0]))
