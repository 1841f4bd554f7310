"""YAML as kubectl reads it, with lines, and never an exception."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds.documents import Document, Unreadable, read


def one(text: str) -> Document:
    [found] = list(read(text))
    assert isinstance(found, Document)
    return found


def test_every_member_has_its_line() -> None:
    document = one("a: 1\nb:\n  c:\n  - x: 1\n  - y: 2\n")
    assert document.line("") == 1
    assert document.line("b.c[1].y") == 5
    assert document.line("b.c[1].missing") == 5
    assert document.line("b.missing.deeper") == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10:30", "10:30"),  # PyYAML's own reading is 630
        ("2026-01-01", "2026-01-01"),
        ("24", 24),
        ("8.0", 8),
        ("0x10", 16),
        ("1e3", 1000),
        ("0.5", 0.5),
        ("5s", "5s"),
        ("99%", "99%"),
        ("on", True),
        ("~", None),
        ("1_000", 1000),
    ],
)
def test_scalars_are_those_of_kubectl(text: str, value: object) -> None:
    found = one(f"a: {text}").value
    assert found == {"a": value}
    assert type(found["a"]) is type(value)


def test_a_key_that_is_written_twice_is_reported() -> None:
    document = one("spec:\n  maxReplicas: 8\n  maxReplicas: 24\n")
    [problem] = document.problems
    assert (problem.path, problem.value) == ("spec.maxReplicas", "24")
    assert "first on line 2" in problem.why


def test_anchors_and_merges_are_read() -> None:
    assert one("a: &x {b: 1}\nc: {<<: *x, d: 2}").value == {"a": {"b": 1}, "c": {"b": 1, "d": 2}}


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", 3, "the bracket on line 2 is not closed"),
        ("a: 1\n\tb: 2\n", 2, "a tab is used for indentation"),
        ("a: b: c\n", 1, "a ':' is not expected here"),
        ("a: *nowhere\n", 1, "there is no anchor 'nowhere'"),
        ("a: !python/object:os.system x\n", 1, "the tag !python/object:os.system is unknown"),
        ("a: 1\nb: \x01\n", 2, "does not allow the character U+0001"),
        ("a: &a [*a]\n", 1, "nested too deeply"),
        ("[" * 1000, 1, "nested too deeply"),
        ("a: !!int x\n", 1, "'x' is not a valid int"),
    ],
)
def test_what_cannot_be_read_says_where(text: str, line: int, why: str) -> None:
    *_, last = read(text)
    assert isinstance(last, Unreadable)
    assert last.line == line
    assert why in last.why


def test_aliases_do_not_multiply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crds.documents._MAX_VALUES", 2000)
    layers = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    layers += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    [found] = read("\n".join(layers))
    assert isinstance(found, Unreadable)
    assert "more than 2,000 values" in found.why


def test_what_stands_before_a_mistake_is_still_read() -> None:
    first, last = read("a: 1\n---\nb: [\n")
    assert isinstance(first, Document)
    assert isinstance(last, Unreadable)


@pytest.mark.parametrize("text", ["", "---\n", "# nothing\n", "---\n---\n"])
def test_empty_documents_are_left_out(text: str) -> None:
    assert list(read(text)) == []


@given(st.text(alphabet="ab:- \n[]{}&*!'\"|>%@#?,1.0\t") | st.text())
def test_no_text_raises(text: str) -> None:
    found: list[Any] = list(read(text))
    assert all(isinstance(it, Document | Unreadable) for it in found)
