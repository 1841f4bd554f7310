"""The registry of custom resource kinds. CRDs, RBAC, reference pages and `outrider check` are made from it."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, Literal, Protocol, TypeVar

from pydantic import ValidationError

from crds.resolve import gpupool as pools
from crds.resolve import pool_contradictions
from crds.resolve.contradictions import contradictions
from crds.resolve.problems import Problem, broken, problem, spell
from crds.resolve.rules import Rule
from crds.resolve.scalingpolicy import clashes, workload
from crds.structural import Schema, defaulted, described
from crds.v1alpha1 import gpupool, gpupool_rules, scalingpolicy
from crds.v1alpha1.resource import GROUP, Column, Resource

MOST_PROBLEMS = 100  # of one resource; a file of 200,000 misspelt fields would take minutes to be listed


class Resolved(Protocol):
    """What a valid resource becomes."""

    @property
    def summary(self) -> str:
        """It in one line."""

    @property
    def claims(self) -> Mapping[str, str]:
        """What no other resource of its kind may have, by the field that states it."""


ModelT = TypeVar("ModelT", bound=Resource)
ResolvedT = TypeVar("ResolvedT", bound=Resolved)


@dataclass(frozen=True)
class Kind(Generic[ModelT, ResolvedT]):
    """One kind of custom resource."""

    model: type[ModelT]
    plural: str
    short_names: tuple[str, ...]
    scope: Literal["Namespaced", "Cluster"]
    columns: tuple[Column, ...]  # of `kubectl get`
    rules: tuple[Rule, ...]
    introduction: str  # of the reference page, in Markdown
    resolved: Callable[[ModelT], ResolvedT]
    clashes: Callable[[object], Iterable[Problem]] = lambda _document: ()  # problems that CEL cannot express
    contradictions: Callable[[ResolvedT], Iterable[Problem]] = lambda _resolved: ()  # what may still be meant: warnings

    @property
    def name(self) -> str:
        """The kind, as a resource names it."""
        return self.model.__name__

    @property
    def schema(self) -> Schema:
        """The whole schema, with its examples."""
        return described(self.model)

    def resolve(self, raw: object) -> ResolvedT | list[Problem]:
        """Read a resource as the API server or a file gives it, or list all its problems. Never raises for bad input."""
        if not isinstance(raw, Mapping):
            return [Problem("", raw, "not an object", f"a {self.name}")]
        document = defaulted({name: raw[name] for name in raw if name != "status"}, self.schema)
        problems: list[Problem] = []
        valid = None
        try:
            valid = self.model.model_validate(document)
        except ValidationError as errors:
            found = islice(errors.errors(include_url=False), MOST_PROBLEMS)
            problems = [problem(error, self.schema, self.rules) for error in found]
        problems += broken(self.rules, document, [found.path for found in problems])
        problems += self.clashes(document)
        return problems if problems or valid is None else self.resolved(valid)


SCALING_POLICY = Kind(
    model=scalingpolicy.ScalingPolicy,
    plural="scalingpolicies",
    short_names=("scpol",),
    scope="Namespaced",
    columns=scalingpolicy.COLUMNS,
    rules=scalingpolicy.RULES,
    introduction=scalingpolicy.INTRODUCTION,
    resolved=workload,
    clashes=clashes,
    contradictions=contradictions,
)
GPU_POOL = Kind(
    model=gpupool.GPUPool,
    plural="gpupools",
    short_names=("gpool",),
    scope="Cluster",
    columns=gpupool.COLUMNS,
    rules=gpupool_rules.RULES,
    introduction=gpupool.INTRODUCTION,
    resolved=pools.pool,
    clashes=pools.clashes,
    contradictions=pool_contradictions.contradictions,
)
KINDS: tuple[Kind[Any, Any], ...] = (SCALING_POLICY, GPU_POOL)


def meant(raw: Mapping[str, object]) -> Kind[Any, Any] | None:
    """The kind that an object is meant to be, even with a typo in its kind or group; None for another API's object."""
    group, slash, _ = str(raw.get("apiVersion") or "").rpartition("/")
    if slash and group != GROUP and not difflib.get_close_matches(group, [GROUP]):
        return None
    names = {kind.name.lower(): kind for kind in KINDS}
    close = difflib.get_close_matches(str(raw.get("kind") or "").lower(), names, n=1, cutoff=0.8)
    if close:
        return names[close[0]]
    return _alike(raw.get("spec")) if group == GROUP or not raw.get("kind") else None


def _alike(spec: object) -> Kind[Any, Any]:
    """The kind that has most of the fields; the first if none has more."""
    fields = set(spec) if isinstance(spec, Mapping) else set()
    return max(KINDS, key=lambda kind: len(fields & kind.schema["properties"]["spec"]["properties"].keys()))


def names(last: str = "or") -> str:
    """The names of all kinds in a sentence."""
    return spell((kind.name for kind in KINDS), last)
