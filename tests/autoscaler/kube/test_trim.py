"""What is kept of objects of the API."""

from autoscaler.kube import trim


def test_nodes_share_what_is_kept_of_an_image() -> None:
    def images() -> list[object]:
        image = {"names": ["vllm/vllm-openai:v1"], "sizeBytes": 9_600_000_000}
        small = {"names": ["pause"], "sizeBytes": 300_000}
        found: list[object] = trim.node({"metadata": {}, "status": {"images": [image, small]}})["status"]["images"]
        return found

    assert images() == [{"names": ["vllm/vllm-openai:v1"], "sizeBytes": 9_600_000_000}]
    assert images()[0] is images()[0]
