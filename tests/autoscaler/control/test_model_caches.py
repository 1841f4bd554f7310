from autoscaler.control.model_caches import Copy, ModelCaches
from autoscaler.kube.client import Kube
from autoscaler.kube.collection import local_model_cache
from tests.support.fake_api import FakeApi, answer


async def saw(api: FakeApi, caches: ModelCaches, at_seconds: float, **states: str) -> str:
    api.standing[:] = [(local_model_cache("chat"), answer({"status": {"nodeStatus": states}}))]
    await caches.look("chat", at_seconds)
    return caches.obstacle("chat", list(states))


async def test_when_the_weights_came_to_a_node_is_seen_between_two_looks(api: FakeApi, kube: Kube) -> None:
    caches = ModelCaches(kube)
    await caches.look("chat", 1000.0)
    assert "the LocalModelCache chat cannot be read" in caches.obstacle("chat", ["old"])
    assert await saw(api, caches, 1060.0, old="NodeDownloaded") == ""
    await saw(api, caches, 1120.0, old="NodeDownloaded", new="NodeDownloadPending")
    await saw(api, caches, 1130.0, old="NodeDownloaded", new="NodeDownloaded")  # too soon for another look
    assert caches.on("chat", "new") == Copy(1060.0)
    await saw(api, caches, 1135.0, old="NodeDownloaded", new="NodeDownloaded")
    assert caches.on("chat", "new") == Copy(1060.0, 1135.0)
    assert caches.on("chat", "old") == Copy(None, 1060.0)
    assert caches.on("chat", "other") is caches.on("none", "new") is None


async def test_a_copy_that_is_lost_begins_anew_and_a_node_that_goes_is_forgotten(api: FakeApi, kube: Kube) -> None:
    caches = ModelCaches(kube)
    await saw(api, caches, 0.0, n="NodeDownloaded")
    assert "and not on n:" in await saw(api, caches, 60.0, n="NodeDownloadError")
    assert caches.on("chat", "n") == Copy(60.0)
    await saw(api, caches, 75.0)
    assert caches.on("chat", "n") is None


async def test_a_new_node_does_not_have_the_weights_yet(api: FakeApi, kube: Kube) -> None:
    caches = ModelCaches(kube)
    assert await saw(api, caches, 0.0, a="NodeDownloaded", cpu="NodeDownloadError") != ""
    assert caches.obstacle("chat", ["a"]) == "", "what a node lacks that no replica may land on does not count"
    assert "1 of the 2 nodes that a replica may land on, and not on new:" in caches.obstacle("chat", ["a", "new"])
    assert "no node yet that a replica may land on" in caches.obstacle("chat", [])
