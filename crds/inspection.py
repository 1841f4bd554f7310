"""What the text of a file holds: valid resources, problems with their lines, and resources of other APIs."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from crds.documents import Unreadable, read
from crds.kinds import Resolved, meant
from crds.resolve.problems import Problem, printable


@dataclass(frozen=True, slots=True)
class Found:
    """One resource of a file: resolved, or problems (each with its line), or neither if it belongs to another API."""

    file: str
    line: int
    title: str  # kind and name, as far as they are written
    raw: object = None
    resolved: Resolved | None = None
    problems: tuple[tuple[int, Problem], ...] = ()

    def lines(self) -> Iterator[str]:
        """A line for each problem, as compilers write them."""
        for line, problem in self.problems:
            what = ": ".join(part for part in (problem.path or self.title, shown(problem.value)) if part)
            yield f"{self.file}:{line}: {what}: {problem.why}; instead: {problem.instead}"


def inspect(file: str, text: str) -> Iterator[Found]:
    """Everything in a file, in its order; lists (`kubectl get -o yaml`) are opened."""
    for document in read(text):
        if isinstance(document, Unreadable):
            where = f"line {document.line}, column {document.column}"
            problem = Problem("", None, f"not valid YAML: {document.why} ({where})", "valid YAML")
            yield unreadable(file, document.line, problem)
            continue
        for prefix, raw in _resources(document.value):
            doubled = [problem for problem in document.problems if problem.path.startswith(prefix)]
            line = document.line(prefix.removesuffix("."))
            kind = meant(raw)
            if kind is None:
                yield Found(file, line, _title(raw), raw)
                continue
            result = kind.resolve(raw)
            resolved, wrong = (None, result) if isinstance(result, list) else (result, [])
            problems = doubled + _below(prefix, wrong)
            placed = sorted(((document.line(it.path), it) for it in problems), key=lambda pair: pair[0])
            yield Found(file, line, _title(raw), raw, None if problems else resolved, tuple(placed))


def unreadable(file: str, line: int, problem: Problem) -> Found:
    """An entry for a part of a file that is not a resource at all."""
    return Found(file, line, "file", problems=((line, problem),))


def rivals(resources: Iterable[Found]) -> list[Found]:
    """The same resources. One that claims what another of its kind already has, such as its target, gets a problem."""
    first: dict[tuple[object, ...], Found] = {}
    judged = []
    for found in resources:
        problems = []
        for path, claim in found.resolved.claims.items() if found.resolved else ():
            other = first.setdefault((type(found.resolved), path, claim), found)
            if other is not found:
                has = "scales this target" if path == "spec.target" else "has the same value"
                why = f"{other.title} ({other.file}:{other.line}) already {has}"
                problems.append((found.line, Problem(path, claim, why, "a different one")))
        judged.append(replace(found, resolved=None, problems=tuple(problems)) if problems else found)
    return judged


def shown(value: object) -> str:
    """A value on one line, cut if it is long; empty if something is missing."""
    if value is None:
        return ""
    text = printable(as_json(value))
    return text if len(text) <= 60 else f"{text[:57]}..."


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
    return printable(f"{raw.get('kind') or 'document without a kind'} {name}".rstrip())


def _below(prefix: str, problems: list[Problem]) -> list[Problem]:
    return [replace(problem, path=f"{prefix}{problem.path}".rstrip(".")) for problem in problems]
