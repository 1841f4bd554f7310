"""What `outrider check` finds in the text of a file: policies that are fine, problems with their lines, other kinds."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from crds.documents import Unreadable, read
from crds.problems import printable
from crds.resolve import resolve
from crds.v1alpha1 import GROUP
from crds.workload import Problem, Workload

KIND = "ScalingPolicy"


@dataclass(frozen=True, slots=True)
class Found:
    """One resource of a file: a service, or problems (each with its line), or neither where it is of another kind."""

    file: str
    line: int
    title: str  # kind and name, as far as they are written
    workload: Workload | None = None
    problems: tuple[tuple[int, Problem], ...] = ()


def inspect(file: str, text: str) -> Iterator[Found]:
    """Everything in a file, in its order; lists (`kubectl get -o yaml`) are opened."""
    for document in read(text):
        if isinstance(document, Unreadable):
            where = f"line {document.line}, column {document.column}"
            problem = Problem("", None, f"not YAML: {document.why} ({where})", "YAML that can be read")
            yield Found(file, document.line, "YAML", None, ((document.line, problem),))
            continue
        for prefix, raw in _resources(document.value):
            doubled = [problem for problem in document.problems if problem.path.startswith(prefix)]
            line = document.line(prefix.removesuffix("."))
            if not _ours(raw):
                yield Found(file, line, _title(raw))
                continue
            result = resolve(raw)  # type: ignore[arg-type]  # what is no mapping is told as a problem
            problems = doubled + ([] if isinstance(result, Workload) else _below(prefix, result))
            workload = result if isinstance(result, Workload) and not problems else None
            placed = sorted(((document.line(it.path), it) for it in problems), key=lambda pair: pair[0])
            yield Found(file, line, _title(raw), workload, tuple(placed))


def rivals(resources: Iterable[Found]) -> list[Found]:
    """The same resources; a policy that has another's name, or scales another's target, has a problem for it."""
    by_claim: dict[tuple[object, ...], Found] = {}
    judged = []
    for found in resources:
        workload, problems = found.workload, []
        if workload:
            claims = {
                "metadata.name": (workload.namespace, workload.name),
                "spec.target": (workload.namespace, workload.target),
            }
            for path, claim in claims.items():
                first = by_claim.setdefault((path, *claim), found)
                if first is not found:
                    value = workload.name if path == "metadata.name" else workload.target.name
                    why = f"{first.title} in {first.file}:{first.line} has it already"
                    problems.append((found.line, Problem(path, value, why, "one policy for each")))
        judged.append(replace(found, workload=None, problems=tuple(problems)) if problems else found)
    return judged


def _resources(value: object) -> Iterator[tuple[str, object]]:
    """The resources of a document, each with the beginning of its paths."""
    items = value.get("items") if isinstance(value, Mapping) and str(value.get("kind", "")).endswith("List") else None
    if isinstance(items, list):
        yield from ((f"items[{i}].", item) for i, item in enumerate(items))
    else:
        yield "", value


def _ours(raw: object) -> bool:
    """Whether it is meant to be a ScalingPolicy: also with a slip in its kind or its group."""
    if not isinstance(raw, Mapping):
        return True
    group, slash, _ = str(raw.get("apiVersion") or "").rpartition("/")
    if slash and group != GROUP and not difflib.get_close_matches(group, [GROUP]):
        return False
    kind = str(raw.get("kind") or KIND)
    return group == GROUP or bool(difflib.get_close_matches(kind.lower(), [KIND.lower()], cutoff=0.8))


def _title(raw: object) -> str:
    if not isinstance(raw, Mapping):
        return "a document"
    metadata = raw.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    name = "/".join(str(metadata[key]) for key in ("namespace", "name") if metadata.get(key))
    return printable(f"{raw.get('kind') or 'a document without a kind'} {name}".rstrip())


def _below(prefix: str, problems: list[Problem]) -> list[Problem]:
    return [replace(problem, path=f"{prefix}{problem.path}".rstrip(".")) for problem in problems]
