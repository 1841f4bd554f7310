"""The last known content of a collection, and what is found in it."""

from typing import Any

from autoscaler.kube.objects import key
from autoscaler.kube.store import Store
from crds.notation.selectors import parse


def pod(name: str, app: str) -> dict[str, Any]:
    return {"metadata": {"namespace": "ns", "name": name, "labels": {"app": app}}}


def test_what_matches_follows_every_change() -> None:
    store, selector = Store(), parse("app=a")
    assert store.matching(selector) == ()
    store.replace([pod("1", "a"), pod("2", "b")])
    assert store.matching(selector) == (pod("1", "a"),)
    store.put(pod("2", "a"))
    assert store.matching(selector) == (pod("1", "a"), pod("2", "a"))
    store.drop(pod("1", "a"))
    assert store.matching(selector) == (pod("2", "a"),)
    store.replace([])
    assert store.matching(selector) == ()


def test_a_key_reads_as_namespace_and_name() -> None:
    assert str(key(pod("a", "b"))) == "ns/a"
