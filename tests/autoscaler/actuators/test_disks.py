"""Images as nodes list them."""

import pytest

from autoscaler.actuators.disks import has_image, image_bytes, listed_bytes
from tests.autoscaler.actuators.nodes import node


@pytest.mark.parametrize(
    ("reference", "listed"),
    [
        ("vllm/vllm-openai:v0.32.0", "docker.io/vllm/vllm-openai:v0.32.0"),
        ("vllm/vllm-openai:v0.32.0@sha256:01", "docker.io/vllm/vllm-openai@sha256:01"),
        ("busybox", "docker.io/library/busybox:latest"),
        ("registry:5000/models/chat", "registry:5000/models/chat:latest"),
        ("localhost/chat:1", "localhost/chat:1"),
        ("registry.example.com/chat@sha256:01", "registry.example.com/chat@sha256:01"),
    ],
)
def test_an_image_is_found_by_its_full_name(reference: str, listed: str) -> None:
    there, other = node(images={listed: 9e9}), node(images={f"{listed}0": 1e9})
    assert has_image(there, reference)
    assert not has_image(other, reference)
    assert listed_bytes(image_bytes([there]), reference) == 9e9
    assert listed_bytes(image_bytes([other]), reference) is None
