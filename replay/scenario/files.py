"""Reads scenario files: YAML that is validated like a custom resource, with the policies and the pool that it names."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from crds.documents import Document, Unreadable, read
from crds.files import PolicyFileError, inspect_files, one_policy
from crds.inspection import Found
from crds.kinds import GPU_POOL, MOST_PROBLEMS, SCALING_POLICY
from crds.notation.units import span_seconds
from crds.pool import GpuPool
from crds.resolve.problems import Problem, printable, problem, spell
from crds.structural import defaulted, described
from crds.v1alpha1.resource import API_VERSION
from crds.workload import Workload
from policies.model import Mode
from replay.scenario import model

SHIPPED = "scenario:"
MOST_BYTES = 1 << 20
MOST_REPLICAS = 400  # of a policy that does not say it
OURS = "outrider"
UNTUNED = (OURS, "reactive")  # contenders that play as they come
EVERYONE = {"name": "everyone", "namespaceSelector": {}}  # the members of a pool that does not say it
_FOLDER = "shipped"


class ScenarioFileError(Exception):
    """A scenario file that cannot be played. The message has a line for each problem."""


@dataclass(frozen=True, slots=True)
class Part:
    """One workload of a scenario file: what it says, and its policy with every default resolved."""

    stated: model.Workload
    workload: Workload


@dataclass(frozen=True, slots=True)
class ScenarioFile:
    """A valid scenario file."""

    name: str
    folder: Path  # that its traces lie in
    spec: model.Spec
    parts: tuple[Part, ...]
    pool: GpuPool | None
    file: str  # as it is shown
    document: Document = field(repr=False, compare=False)

    def error(self, path: str, why: object) -> ScenarioFileError:
        """What is wrong with the field at `path`, with its line."""
        return ScenarioFileError(f"{self.file}:{self.document.line(path)}: {path}: {why}")


def shipped() -> tuple[str, ...]:
    """The names of the shipped scenarios."""
    folder = files("replay.scenario") / _FOLDER
    return tuple(sorted(it.name.removesuffix(".yaml") for it in folder.iterdir() if it.name.endswith(".yaml")))


def load(name: str) -> ScenarioFile:
    """The scenario of a file, or of scenario:NAME. Raises ScenarioFileError."""
    if name.startswith(SHIPPED):
        wanted = name.removeprefix(SHIPPED)
        if wanted not in shipped():
            raise ScenarioFileError(f"no scenario {printable(repr(wanted))}; available: {', '.join(shipped())}")
        path = Path(str(files("replay.scenario") / _FOLDER / f"{wanted}.yaml"))
    else:
        path = Path(name)
    try:
        with path.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise ScenarioFileError(f"{printable(name)}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ScenarioFileError(f"{printable(name)}: not UTF-8; instead: a text file in UTF-8") from None
    if len(data) > MOST_BYTES:
        raise ScenarioFileError(f"{printable(name)}: larger than 1 MiB; instead: traces as files of their own")
    return parse(text, printable(name), path.parent)


def parse(text: str, file: str, folder: Path) -> ScenarioFile:
    """The scenario of a file's text. Raises ScenarioFileError with a line for each problem."""
    documents = list(read(text))
    for unread in documents:
        if isinstance(unread, Unreadable):
            why = f"not valid YAML at column {unread.column}: {unread.why}"
            _refuse(file, None, [Problem("", None, printable(why), printable(unread.instead))], unread.line)
    if len(documents) != 1 or not isinstance(document := documents[0], Document):
        raise ScenarioFileError(f"{file}: expected exactly one Scenario, found {len(documents)}")
    valid = _valid(document, file)
    problems: list[Problem] = []
    parts = tuple(_parts(valid.spec, folder, problems))
    pool = _pool(valid.spec, folder, problems)
    problems += _contradictions(valid.spec, pool)
    if pool is not None and not any(_seated(pool, part.stated) for part in parts) and not problems:
        why = "no member of it selects a workload's namespace, so none would grow"
        problems.append(Problem("spec.pool", pool.name, why, "a member whose namespaceSelector does"))
    if problems:
        _refuse(file, document, problems)
    return ScenarioFile(valid.metadata.name, folder, valid.spec, parts, pool, file, document)


def _valid(document: Document, file: str) -> model.Scenario:
    schema = described(model.Scenario)
    if not isinstance(document.value, Mapping):
        _refuse(file, document, [Problem("", document.value, "not an object", "a Scenario")])
    problems = list(document.problems)
    try:
        valid = model.Scenario.model_validate(defaulted(document.value, schema))
    except ValidationError as errors:
        found = islice(errors.errors(include_url=False), MOST_PROBLEMS)
        problems += [problem(error, schema, ()) for error in found]
    if problems:
        _refuse(file, document, problems)
    return valid


def _refuse(file: str, document: Document | None, problems: Sequence[Problem], line: int = 0) -> None:
    """Raise with a line for each problem, in the order of the file."""
    placed = sorted(((document.line(it.path) if document else line, it) for it in problems), key=lambda pair: pair[0])
    raise ScenarioFileError("\n".join(Found(file, 0, "Scenario" if document else "", problems=tuple(placed)).lines()))


def _parts(spec: model.Spec, folder: Path, problems: list[Problem]) -> Iterator[Part]:
    for i, stated in enumerate(spec.workloads):
        at = f"spec.workloads[{i}].policy"
        try:
            found = _policy(stated, folder, at)
        except PolicyFileError as error:
            problems.append(Problem(at, stated.policy, str(error).replace("\n", "; "), "a file with one ScalingPolicy"))
            continue
        if isinstance(found, list):
            problems += found
            continue
        policy = replace(found.policy, name=f"{stated.namespace}/{stated.name}", mode=Mode.ACTIVE)
        yield Part(stated, replace(found, namespace=stated.namespace, name=stated.name, policy=policy))


def _policy(stated: model.Workload, folder: Path, at: str) -> Workload | list[Problem]:
    if isinstance(stated.policy, str):
        return one_policy(str(folder / stated.policy)).workload
    given = stated.policy or {}
    if is_resource(given):
        result = SCALING_POLICY.resolve(given)
        return result if isinstance(result, Workload) else [replace(it, path=f"{at}.{it.path}") for it in result]
    result = policy_of(spec_of(stated, given), stated.name, stated.namespace)
    if isinstance(result, Workload):
        return result
    return [replace(it, path=re.sub(r"^spec\b", at, it.path)) for it in result]


def spec_of(stated: model.Workload, given: Mapping[str, Any]) -> dict[str, Any]:
    """The spec of the ScalingPolicy that an inline policy is short for."""
    return {"target": {"name": stated.name}, "maxReplicas": MOST_REPLICAS} | dict(given)


def policy_of(spec: Mapping[str, Any], name: str, namespace: str = "default") -> Workload | list[Problem]:
    """The workload of a ScalingPolicy's spec, or its problems."""
    metadata = {"name": name, "namespace": namespace}
    return SCALING_POLICY.resolve(
        {"apiVersion": API_VERSION, "kind": SCALING_POLICY.name, "metadata": metadata, "spec": spec}
    )


def _pool(spec: model.Spec, folder: Path, problems: list[Problem]) -> GpuPool | None:
    """The pool that all workloads share. What is wrong with it is added to `problems`."""
    at, given = "spec.pool", spec.pool
    if given is None:
        return None
    if isinstance(given, str):
        found = inspect_files([str(folder / given)]).resources
        pools = [it.resolved for it in found if isinstance(it.resolved, GpuPool)]
        if len(pools) == 1:
            return pools[0]
        why = "; ".join(line for it in found for line in it.lines()) or f"has {len(pools)} GPUPools"
        problems.append(Problem(at, given, why, "a file with one GPUPool"))
        return None
    return _resolved(pool_resource(given), "" if is_resource(given) else "spec", problems)


def pool_resource(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The GPUPool that an inline pool is short for."""
    if is_resource(given):
        return given
    filled: dict[str, Any] = {"owner": "scenario", "members": [EVERYONE], **given}
    if isinstance(offerings := filled.get("offerings"), list):
        filled["offerings"] = [_placed(each) for each in offerings]
    return {"apiVersion": API_VERSION, "kind": GPU_POOL.name, "metadata": {"name": "pool"}, "spec": filled}


def _seated(pool: GpuPool, stated: model.Workload) -> bool:
    """Whether a member of the pool selects the workload."""
    labels = {name: value or "" for name, value in stated.namespace_labels.items()}
    return pool.seat(stated.namespace, labels) is not None


def _resolved(resource: Mapping[str, Any], within: str, problems: list[Problem]) -> GpuPool | None:
    """The pool of a resource, of which spec.pool has the part `within`."""
    result = GPU_POOL.resolve(resource)
    if isinstance(result, GpuPool):
        return result
    problems += [replace(it, path=f"spec.pool.{it.path.removeprefix(within).lstrip('.')}") for it in result]
    return None


def is_resource(given: Mapping[str, Any]) -> bool:
    """Whether something inline is a whole resource, not only its spec."""
    return not given.keys().isdisjoint(("apiVersion", "kind"))


def _placed(offering: object) -> object:
    """An offering with a node selector: in a scenario its name alone says where its nodes are."""
    if not isinstance(offering, Mapping) or "name" not in offering:
        return offering
    return {"nodeSelector": {"offering": str(offering["name"])}} | dict(offering)


def _contradictions(spec: model.Spec, pool: GpuPool | None) -> Iterator[Problem]:
    """What no field is wrong in by itself."""
    seen: dict[str, int] = {}
    for i, stated in enumerate(spec.workloads):
        first = seen.setdefault(stated.name, i)
        if first != i:
            path = f"spec.workloads[{i}].name"
            yield Problem(path, stated.name, f"the name of workloads[{first}] as well", "another name")
    if span_seconds(spec.duration) < 60.0:
        yield Problem("spec.duration", spec.duration, "too short", "a duration of 1m or more")
    known = [each.name for each in pool.offerings] if pool else []
    for part, named in (("offerings", "name"), ("outages", "offering")):
        for i, each in enumerate(getattr(spec, part)):
            name = getattr(each, named)
            if name not in known and (pool or spec.pool is None):
                instead = spell(known, "or") if known else "a pool that has it, in spec.pool"
                yield Problem(f"spec.{part}[{i}].{named}", name, "the pool has no such offering", instead)
    for i, contender in enumerate(spec.contenders):
        if contender.value is not None and contender.name in UNTUNED:
            yield Problem(f"spec.contenders[{i}].value", contender.value, "it has no setting here", "no value")
        if not contender.pool and contender.name != OURS:
            yield Problem(f"spec.contenders[{i}].pool", False, "the pool decides for Outrider alone", "no pool")
        elif not contender.pool and contender.standby:
            why = "without the pool nobody holds standby nodes for it"
            yield Problem(f"spec.contenders[{i}].standby", contender.standby, why, "no standby, or pool: true")
