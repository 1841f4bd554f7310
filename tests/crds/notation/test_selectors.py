import pytest

from crds.notation.selectors import parse


@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ("", {}, True),
        ("a=b", {"a": "b", "x": "y"}, True),
        ("a==b", {"a": "b"}, True),
        ("a=b", {"a": "c"}, False),
        ("a=b", {}, False),
        ("a=", {"a": ""}, True),
        ("a=", {}, False),
        ("a!=b", {"a": "c"}, True),
        ("a!=b", {}, True),
        ("a!=b", {"a": "b"}, False),
        ("a", {"a": ""}, True),
        ("a", {}, False),
        ("!a", {}, True),
        ("!a", {"a": "b"}, False),
        ("c in (d,e)", {"c": "e"}, True),
        ("c in ( d , e )", {"c": "d"}, True),
        ("c in (d,e)", {"c": "f"}, False),
        ("c in (d,)", {"c": ""}, True),
        ("c notin (d,e)", {}, True),
        ("c notin (d,e)", {"c": "d"}, False),
        ("a=b,c in (d,e),!f", {"a": "b", "c": "d"}, True),
        ("a=b,c in (d,e),!f", {"a": "b", "c": "d", "f": ""}, False),
        ("app.kubernetes.io/name=vllm, tier!=test", {"app.kubernetes.io/name": "vllm"}, True),
        ("in=a", {"in": "a"}, True),
        ("in in (in)", {"in": "in"}, True),
        ("notin", {"notin": "x"}, True),
    ],
)
def test_a_selector_matches_as_in_kubernetes(text: str, labels: dict[str, str], matches: bool) -> None:
    assert parse(text).matches(labels) is matches


@pytest.mark.parametrize(
    "text",
    ["=b", "a=b c", "a in", "a in d", "a in (b", "a=b,,c", "a=b,", "a, ", ",", "a=b=c", "a>1", "!", "a=(b)", "-a"],
)
def test_a_selector_that_cannot_be_read_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ValueError, match="cannot read"):
        parse(text)
