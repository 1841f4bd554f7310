"""What the pods of a policy's target lack, where the target is in the files as well."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from crds import compile_cache, image_weights
from crds.inspection import Found
from crds.resolve.problems import Problem
from crds.workload import Workload


def advised(resources: Iterable[Found], beside: Iterable[Found]) -> list[Found]:
    """The same resources; a policy whose target is among those `beside` it gets a warning for what the target lacks."""
    beside = list(beside)
    specs = dict(templates(beside))
    nodes = [found.raw for found in beside if isinstance(found.raw, Mapping) and found.raw.get("kind") == "Node"]
    return [_advised(found, specs, nodes) for found in resources]


def _advised(
    found: Found, specs: Mapping[tuple[str, str, str], Mapping[str, Any]], nodes: list[Mapping[str, Any]]
) -> Found:
    if not isinstance(found.resolved, Workload):
        return found
    target, image = found.resolved.target, found.resolved.weights.image
    spec = specs.get((found.resolved.namespace, target.kind, target.name))
    problems: list[Problem | None] = []
    try:
        if spec is not None:
            problems.append(compile_cache.advice(spec, target.name))
            problems.append(image_weights.advice(spec, image, nodes) if image else None)
    except (AttributeError, TypeError):  # what is wrong with a workload is not ours to say
        pass
    warnings = [(found.line, problem) for problem in problems if problem is not None]
    return replace(found, warnings=(*found.warnings, *warnings)) if warnings else found


def templates(resources: Iterable[Found]) -> Iterator[tuple[tuple[str, str, str], Mapping[str, Any]]]:
    """The spec of each workload's pods, by the workload's namespace, kind and name."""
    for found in resources:
        try:
            raw: Any = found.raw
            about, spec = raw["metadata"], raw["spec"]["template"]["spec"]
            place = str(about.get("namespace") or "default"), str(raw["kind"]), str(about["name"])
        except (AttributeError, KeyError, TypeError, IndexError):  # no workload
            continue
        if isinstance(spec, Mapping):
            yield place, spec
