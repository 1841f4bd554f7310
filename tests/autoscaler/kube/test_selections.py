"""What many selectors match, after any changes, and at what cost."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.kube.objects import Object, key, labels
from autoscaler.kube.selections import Selections
from autoscaler.kube.store import Store
from crds.notation.selectors import Selector, parse

SELECTORS = tuple(
    parse(text)
    for text in ("app=a", "app in (a,b),tier=x", "app,tier!=x", "!app", "app=a,app=b", "", "tier=x,app notin (b)")
)
LABELS = st.dictionaries(st.sampled_from(("app", "tier")), st.sampled_from(("a", "b", "x")))
PODS = st.dictionaries(st.sampled_from("123456"), LABELS)


def pod(name: str, labelled: Mapping[str, str], version: int = 0) -> dict[str, Any]:
    about = {"namespace": "ns", "name": name, "labels": labelled}
    return {"metadata": about, "status": {"version": version}}


@given(listed=PODS, changes=st.lists(st.tuples(st.sampled_from("123456"), st.none() | LABELS)), again=st.none() | PODS)
def test_what_is_kept_up_to_date_is_what_a_scan_would_find(
    listed: dict[str, dict[str, str]],
    changes: list[tuple[str, dict[str, str] | None]],
    again: dict[str, dict[str, str]] | None,
) -> None:
    store, touched = Store(), list[Selector]()
    store.subscribe_selections(touched.append)

    def scanned(selector: Selector) -> dict[str, object]:
        return {key(each).name: each for each in store if selector.matches(labels(each))}

    def check(before: list[dict[str, object]]) -> None:
        now = [scanned(selector) for selector in SELECTORS]
        assert [{key(each).name: each for each in store.matching(selector)} for selector in SELECTORS] == now
        assert set(touched) == {
            selector for selector, was, found in zip(SELECTORS, before, now, strict=True) if was != found
        }

    store.replace(pod(name, found) for name, found in listed.items())
    check([scanned(selector) for selector in SELECTORS])
    for version, (name, found) in enumerate(changes, start=1):
        touched.clear()
        before = [scanned(selector) for selector in SELECTORS]
        store.drop(pod(name, {})) if found is None else store.put(pod(name, found, version))
        check(before)
    if again is not None:
        touched.clear()
        before = [scanned(selector) for selector in SELECTORS]
        store.replace(pod(name, found) for name, found in again.items())
        check(before)


def test_a_change_evaluates_the_selectors_of_its_pod_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them have the label of a common chart; what tells the targets apart is found nevertheless."""
    store, selectors = Store(), [parse(f"chart=vllm,model=m{i}") for i in range(500)]
    store.replace(pod(f"p{i}", {"chart": "vllm", "model": f"m{i}"}) for i in range(20))
    for selector in selectors:
        store.matching(selector)
    evaluated = []
    matches = Selector.matches

    def counting(self: Selector, of: Mapping[str, str]) -> bool:
        evaluated.append(self)
        return matches(self, of)

    monkeypatch.setattr(Selector, "matches", counting)
    store.put(pod("p7", {"chart": "vllm", "model": "m7"}, version=2))
    assert len(evaluated) <= 2  # its own, and the one that was filed before there was another
    evaluated.clear()
    assert [store.matching(selector) for selector in selectors[:2]]
    assert not evaluated


def test_a_forgotten_selector_is_not_kept() -> None:
    selections = Selections()
    for selector in SELECTORS:
        selections.of(selector, ())
        selections.forget(selector)
        selections.forget(selector)
    assert not selections._found
    assert not selections._filed
    assert not selections._unfiled


def test_what_is_made_of_the_objects_is_made_anew_only_once_they_have_changed() -> None:
    store, made, selector = Store(), list[int](), parse("app=a")

    def count(pods: tuple[Object, ...], more: int) -> int:
        made.append(more)
        return len(pods) + more

    store.replace([pod("1", {"app": "a"}), pod("2", {"app": "b"})])
    assert [store.made(selector, count, more) for more in (0, 10, 0, 10)] == [1, 11, 1, 11]
    store.put(pod("2", {"app": "b"}, version=1))
    assert (store.made(selector, count, 0), made) == (1, [0, 10])
    store.put(pod("2", {"app": "a"}))
    assert (store.made(selector, count, 0), made) == (2, [0, 10, 0])
    store.drop(pod("1", {}))
    store.forget(selector)
    assert (store.made(selector, count, 0), made) == (1, [0, 10, 0, 0])
