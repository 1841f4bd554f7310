"""Whether the pods of a target keep what vLLM compiles, so that the next one on the node need not compile it again."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from crds.inspection import Found
from crds.resolve.problems import Problem
from crds.workload import Workload

ROOT = "VLLM_CACHE_ROOT"
USUAL_ROOT = "/root/.cache/vllm"  # of the root user in vLLM's image
_PASSING = (
    "emptyDir",
    "configMap",
    "secret",
    "downwardAPI",
    "projected",
    "image",
    "ephemeral",
)  # gone with the pod, or read-only
_WHY = (
    "every new pod compiles the model again, which takes 20 to 85 s of its start: its engine has no volume that outlives the pod "
    f"at {ROOT}"
)
_INSTEAD = f"a hostPath volume or a shared claim, mounted at {ROOT} (unset: {USUAL_ROOT})"


def kept_at(pod_spec: Mapping[str, Any]) -> str | None:
    """The folder of the compile cache, where a volume that outlives the pod holds it; None where none does.

    Raises TypeError or AttributeError for what is no pod's spec.
    """
    engine = _engine(pod_spec)
    root = _root(engine)
    lasting = {
        volume.get("name") for volume in pod_spec.get("volumes") or () if not any(kind in volume for kind in _PASSING)
    }
    mounts = [
        each for each in engine.get("volumeMounts") or () if each.get("name") in lasting and not each.get("readOnly")
    ]
    held = any(f"{root}/".startswith(f"{str(each.get('mountPath') or '-').rstrip('/')}/") for each in mounts)
    return root if held else None


def compiles(pod_spec: Mapping[str, Any]) -> bool:
    """Whether the pods run a vLLM that compiles. Raises TypeError or AttributeError for what is no pod's spec."""
    engine = _engine(pod_spec)
    words = [str(engine.get("image") or ""), *map(str, (*(engine.get("command") or ()), *(engine.get("args") or ())))]
    return any("vllm" in word for word in words) and not any("--enforce-eager" in word for word in words)


def advised(resources: Iterable[Found], beside: Iterable[Found]) -> list[Found]:
    """The same resources; a policy whose target is among those `beside` it, and keeps no compile cache, gets a warning."""
    templates = dict(_templates(beside))
    return [_advised(found, templates) for found in resources]


def _advised(found: Found, templates: Mapping[tuple[str, str, str], Mapping[str, Any]]) -> Found:
    if not isinstance(found.resolved, Workload):
        return found
    target = found.resolved.target
    spec = templates.get((found.resolved.namespace, target.kind, target.name))
    try:
        if spec is None or not compiles(spec) or kept_at(spec) is not None:
            return found
    except (AttributeError, TypeError):  # what is wrong with a workload is not ours to say
        return found
    return replace(found, warnings=(*found.warnings, (found.line, Problem("spec.target", target.name, _WHY, _INSTEAD))))


def _templates(resources: Iterable[Found]) -> Iterator[tuple[tuple[str, str, str], Mapping[str, Any]]]:
    for found in resources:
        try:
            raw: Any = found.raw
            about, spec = raw["metadata"], raw["spec"]["template"]["spec"]
            place = str(about.get("namespace") or "default"), str(raw["kind"]), str(about["name"])
        except (AttributeError, KeyError, TypeError, IndexError):  # no workload
            continue
        if isinstance(spec, Mapping):
            yield place, spec


def _engine(pod_spec: Mapping[str, Any]) -> Mapping[str, Any]:
    first: Mapping[str, Any] = next(iter(pod_spec.get("containers") or ()), {})
    return first


def _root(engine: Mapping[str, Any]) -> str:
    given = {each.get("name"): each.get("value") for each in engine.get("env") or ()}
    return str(given.get(ROOT) or USUAL_ROOT).rstrip("/")
