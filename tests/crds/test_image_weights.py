"""Weights that come as an image: warned about where the target's pods, or the nodes in the files, cannot find them."""

from pathlib import Path
from typing import Any

import pytest

from tests.crds.test_compile_cache import POLICY, deployment, warnings

IMAGE = "registry.example.com/models/chat@sha256:0123"
SPEC: dict[str, Any] = {"target": {"name": "chat-vllm"}, "maxReplicas": 8}
BY_IMAGE = {**POLICY, "spec": {**SPEC, "weights": {"method": "image", "image": IMAGE}}}
MOUNT = {"name": "weights", "mountPath": "/models"}


def pod(reference: str = IMAGE, mounts: tuple[object, ...] = (MOUNT,), **more: Any) -> dict[str, Any]:
    volumes = [{"name": "weights", "image": {"reference": reference}}]
    return {"containers": [{"image": "sglang", "volumeMounts": list(mounts)}], "volumes": volumes, **more}


def node(kubelet: str, runtime: str = "containerd://2.1.3") -> dict[str, Any]:
    info = {"kubeletVersion": kubelet, "containerRuntimeVersion": runtime}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "status": {"nodeInfo": info}}


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        ([], ""),
        ([deployment(pod())], ""),
        ([deployment(pod(), namespace="other")], ""),
        ([deployment(pod("another:1"))], "the target's pods do not use this image"),
        ([deployment({"containers": [{"image": "sglang"}]})], "the target's pods do not use this image"),
        ([deployment(pod("another:1", initContainers=[{"image": IMAGE}])), node("v1.30.0")], ""),
        ([deployment(pod(mounts=()))], "no container of the target mounts the volume weights"),
        ([deployment(pod()), node("v1.35.0")], ""),
        ([deployment(pod()), node("v1.34.2")], "node n1 cannot mount images as volumes"),
        ([deployment(pod()), node("v1.35.0", "containerd://1.7.1")], "node n1 cannot mount images as volumes"),
        ([deployment(pod(nodeSelector={"pool": "gpu"})), node("v1.34.2")], ""),
        ([deployment(pod()), node("")], "node n1 cannot mount images as volumes"),
    ],
)
def test_what_keeps_replicas_from_their_weights(tmp_path: Path, beside: list[object], said: str) -> None:
    found = warnings(tmp_path, BY_IMAGE, *beside)
    assert len(found) == bool(said)
    assert all(f'warning: spec.weights.image: "{IMAGE}": {said}' in each for each in found)
    assert warnings(tmp_path, POLICY, *beside) == [], "nothing is said of it where the method is another one"


@pytest.mark.parametrize("spec", [{"volumes": 1}, {"volumes": [1]}, {"volumes": [{"image": 1}]}, {"containers": [1]}])
def test_a_workload_that_cannot_be_read_is_not_ours_to_judge(tmp_path: Path, spec: object) -> None:
    assert warnings(tmp_path, BY_IMAGE, deployment(spec)) == []


@pytest.mark.parametrize("status", [1, {"nodeInfo": 1}])
def test_nor_is_a_node(tmp_path: Path, status: object) -> None:
    assert warnings(tmp_path, BY_IMAGE, deployment(pod()), {**node(""), "status": status}) == []
