"""The name of a model, from the arguments of what serves it."""

from typing import Any

import pytest

from autoscaler.starts.served_model import LONGEST, served_model


def of(**container: Any) -> str:
    return served_model({"spec": {"containers": [{"name": "vllm", **container}]}})


@pytest.mark.parametrize(
    ("container", "name"),
    [
        ({"args": ["--model", "org/a", "--served-model-name", "chat", "chat-v2"]}, "chat"),
        ({"args": ["--served_model_name=chat", "--port", "8000"]}, "chat"),
        ({"args": ["--model=org/a", "--port", "8000"]}, "org/a"),
        ({"command": ["vllm", "serve"], "args": ["org/a", "--port", "8000"]}, "org/a"),
        ({"args": ["org/a", "--max-model-len", "8192"]}, "org/a"),
        ({"command": ["sh", "-c", "exec vllm serve org/a --served-model-name 'chat'\n"]}, "chat"),
        ({"command": ["sh", "-c", "vllm serve org/a"]}, "org/a"),
    ],
)
def test_it_is_the_one_that_vllm_writes(container: dict[str, Any], name: str) -> None:
    assert of(**container) == name


@pytest.mark.parametrize(
    "container",
    [
        {},
        {"args": None, "command": []},
        {"args": ["--port", "8000"]},
        {"args": ["--model", "$(MODEL)"]},
        {"args": ["--model"]},
        {"command": ["/start.sh"], "args": ["fast"]},
        {"command": ["sh", "-c", "vllm serve 'org/a"]},
        {"args": "serve org/a"},
        {"args": [None, 7, {}]},
        {"resources": "lots"},
        {"resources": {"limits": 5}},
    ],
)
def test_what_is_not_written_out_is_unknown(container: dict[str, Any]) -> None:
    assert not of(**container)


def test_it_is_that_of_the_container_with_a_gpu_and_has_an_end() -> None:
    proxy = {"name": "proxy", "args": ["proxy"]}
    engine = {"name": "vllm", "args": ["a" * 1000], "resources": {"limits": {"nvidia.com/gpu": 1}}}
    assert served_model({"spec": {"containers": [proxy, engine]}}) == "a" * LONGEST
    assert served_model(None) == served_model({}) == ""
