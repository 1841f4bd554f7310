"""The compile cache, as it is recognised in a target's template, and advised where it is missing."""

import json
from pathlib import Path
from typing import Any

import pytest

from crds.compile_cache import ROOT, USUAL_ROOT, compiles, kept_at
from crds.files import inspect_files

POLICY = {
    "apiVersion": "outrider.dev/v1alpha1",
    "kind": "ScalingPolicy",
    "metadata": {"name": "chat", "namespace": "llm"},
    "spec": {"target": {"name": "chat-vllm"}, "maxReplicas": 8},
}
HOST = {"hostPath": {"path": "/mnt/compile"}}


def pod(
    volume: dict[str, Any] | None = None, mount: str = USUAL_ROOT, root: str | None = None, **more: Any
) -> dict[str, Any]:
    engine = {"image": "vllm/vllm-openai:v0.32.0", **more}
    if root is not None:
        engine["env"] = [{"name": ROOT, "value": root}]
    if volume is None:
        return {"containers": [engine]}
    engine["volumeMounts"] = [{"name": "cache", "mountPath": mount}]
    return {"containers": [engine], "volumes": [{"name": "cache", **volume}]}


def deployment(spec: object, namespace: str = "llm", name: str = "chat-vllm") -> dict[str, Any]:
    about = {"name": name, "namespace": namespace}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": about, "spec": {"template": {"spec": spec}}}


@pytest.mark.parametrize(
    ("spec", "at"),
    [
        (pod(), None),
        (pod(HOST), USUAL_ROOT),
        (pod({"persistentVolumeClaim": {"claimName": "c"}}, "/root/.cache"), USUAL_ROOT),
        (pod(HOST, "/cache", root="/cache/vllm/"), "/cache/vllm"),
        (pod(HOST, "/root/.cache", root="/cache"), None),
        (pod(HOST, "/root/.cache/vll"), None),
        (pod({"emptyDir": {}}), None),
        (pod({"configMap": {"name": "c"}}), None),
    ],
)
def test_where_it_is_kept(spec: dict[str, Any], at: str | None) -> None:
    assert kept_at(spec) == at


@pytest.mark.parametrize(
    ("name", "value", "mount", "at"),
    [
        ("XDG_CACHE_HOME", "/cache", "/cache", "/cache/vllm"),
        ("XDG_CACHE_HOME", "/cache", "/root/.cache", None),
        ("HOME", "/home/vllm/", "/home/vllm/.cache", "/home/vllm/.cache/vllm"),
    ],
)
def test_the_folder_without_a_root_of_its_own_is_that_of_the_user(
    name: str, value: str, mount: str, at: str | None
) -> None:
    assert kept_at(pod(HOST, mount, env=[{"name": name, "value": value}])) == at


def test_a_volume_that_cannot_be_written_keeps_nothing() -> None:
    spec = pod(HOST)
    spec["containers"][0]["volumeMounts"][0]["readOnly"] = True
    assert kept_at(spec) is None


def test_which_engines_compile() -> None:
    assert compiles(pod())
    assert compiles({"containers": [{"image": "ours", "command": ["vllm", "serve", "m"]}]})
    assert not compiles({"containers": [{"image": "sglang"}]})
    assert not compiles(pod(args=["--enforce-eager"]))
    assert not compiles({})


def warnings(folder: Path, *resources: object, named: bool = True) -> list[str]:
    file = folder / "all.json"
    file.write_text(json.dumps({"kind": "List", "items": resources}))
    found = inspect_files([str(file if named else folder)]).resources
    return [line for each in found for line in each.warned()]


@pytest.mark.parametrize("named", [True, False])
def test_a_target_in_the_same_files_is_looked_at(tmp_path: Path, named: bool) -> None:
    [said] = warnings(tmp_path, POLICY, deployment(pod()), named=named)
    assert 'warning: spec.target: "chat-vllm": every new pod compiles the model again' in said
    assert warnings(tmp_path, POLICY, deployment(pod(HOST)), named=named) == []


def test_another_workload_is_not(tmp_path: Path) -> None:
    assert warnings(tmp_path, POLICY, deployment(pod(), namespace="other"), deployment(pod(), name="other")) == []


@pytest.mark.parametrize(
    "spec", [None, [], {"containers": 1}, {"containers": [1]}, {"containers": [{"env": [1], "image": "vllm"}]}]
)
def test_a_workload_that_cannot_be_read_is_not_ours_to_judge(tmp_path: Path, spec: object) -> None:
    assert warnings(tmp_path, POLICY, deployment(spec)) == []
