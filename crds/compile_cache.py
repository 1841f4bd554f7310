"""Whether the pods of a target keep what vLLM compiles, so that the next one on the node need not compile it again."""

from collections.abc import Mapping
from typing import Any

from crds.resolve.problems import Problem
from policies.keys import Kept

ROOT = "VLLM_CACHE_ROOT"
USUAL_ROOT = "/root/.cache/vllm"  # of the root user in vLLM's image, without XDG_CACHE_HOME and HOME
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


def kept(pod_spec: Mapping[str, Any]) -> Kept:
    """Where the compile cache is kept. Raises TypeError or AttributeError for what is no pod's spec."""
    volumes = _volumes(pod_spec)
    if not volumes:
        return Kept.NOWHERE
    return Kept.NODE if any("hostPath" in volume for volume in volumes) else Kept.SHARED


def kept_at(pod_spec: Mapping[str, Any]) -> str | None:
    """The folder of the compile cache, where a volume that outlives the pod holds it; None where none does.

    Raises TypeError or AttributeError for what is no pod's spec.
    """
    return _root(_engine(pod_spec)) if _volumes(pod_spec) else None


def compiles(pod_spec: Mapping[str, Any]) -> bool:
    """Whether the pods run a vLLM that compiles. Raises TypeError or AttributeError for what is no pod's spec."""
    engine = _engine(pod_spec)
    words = [str(engine.get("image") or ""), *map(str, (*(engine.get("command") or ()), *(engine.get("args") or ())))]
    return any("vllm" in word for word in words) and not any("--enforce-eager" in word for word in words)


def advice(pod_spec: Mapping[str, Any], target: str) -> Problem | None:
    """Why the pods of a target compile again, and what to write instead; None where they do not.

    Raises TypeError or AttributeError for what is no pod's spec.
    """
    if not compiles(pod_spec) or kept_at(pod_spec) is not None:
        return None
    return Problem("spec.target", target, _WHY, _INSTEAD)


def _volumes(pod_spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The volumes that outlive the pod and hold the cache."""
    engine = _engine(pod_spec)
    root = _root(engine)
    mounted = {
        each.get("name")
        for each in engine.get("volumeMounts") or ()
        if not each.get("readOnly") and f"{root}/".startswith(f"{str(each.get('mountPath') or '-').rstrip('/')}/")
    }
    volumes = (each for each in pod_spec.get("volumes") or () if not any(kind in each for kind in _PASSING))
    return [volume for volume in volumes if volume.get("name") in mounted]


def _engine(pod_spec: Mapping[str, Any]) -> Mapping[str, Any]:
    first: Mapping[str, Any] = next(iter(pod_spec.get("containers") or ()), {})
    return first


def _root(engine: Mapping[str, Any]) -> str:
    given = {each.get("name"): each.get("value") for each in engine.get("env") or ()}
    caches = given.get("XDG_CACHE_HOME") or f"{str(given.get('HOME') or '/root').rstrip('/')}/.cache"
    return str(given.get(ROOT) or f"{str(caches).rstrip('/')}/vllm").rstrip("/")
