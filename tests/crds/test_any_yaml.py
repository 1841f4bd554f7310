"""No file ends in a traceback, whatever is in it: `outrider check` gives lines that a terminal can show, in bounded time."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.commands.check import _document, _summary
from crds.documents import Unreadable, read
from crds.files import Inspected
from crds.inspection import Found, inspect, rivals

POLICY = """\
apiVersion: outrider.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: chat, namespace: llm}
spec:
  target: {name: chat-vllm}
"""
POOL = """\
apiVersion: outrider.dev/v1alpha1
kind: GPUPool
metadata: {name: h100}
spec:
  owner: a
"""
# Values that PyYAML, Python or JSON stumble over, each for a number.
VALUES = (
    "!!int ''", "!!int x", "!!int [1]", "!!float ''", "!!float {a: 1}", "!!bool maybe", "!!timestamp x",
    "!!timestamp 2026-99-01", "!!timestamp 2026-01-01", "!!binary x", "!!null x", "!!set {a}", "!!omap [a: 1]", "!!pairs [a]",
    "!!map 3", "!!seq 3", "!!python/object:os.system x", "!!python/name:os.system ''", "!custom x", "!<x> y",
    "0x_", "0b_", "1__0", "0x" + "F" * 5000, "9" * 5000, "1e999", "-.inf", ".nan", "=", "<<", "*x", "&x", "@x", "%x", "`x",
    "[1", "{1", "'1", '"1', '"\\x"', '"\\e[2J"', '"\\uD800"', "1: 2", "- 1", "? 1", "{? [1] : 2}", "{? {1: 2} : 3}", "&a [*a]",
    "&a {<<: *a}", "{<<: 3}", "|x", ">9", "{{ .Values.max }}", "{1: 2, 2026-01-01: !!binary aGk=}", "[[[[1]]]]", "x\0y", "\x1b[2J",
    "\x85", "\u2028", "\u202e", "\ufeff", "\ufffe", "é", "\N{GRINNING FACE}",
)  # fmt: skip
PLACES = (
    POLICY + "  maxReplicas: {}\n",
    POLICY + "  maxReplicas: 3\n  mode: {}\n",
    POLICY + "  maxReplicas: 3\n  schedules: {}\n",
    "{}: 3\n" + POLICY + "  maxReplicas: 3\n",
    POOL + "  members: {}\n",
    POOL + "  members: [{name: a, namespaceSelector: {}}]\n  offerings: [{name: a, validity: {}, calendar: {}}]\n",
    "kind: {}\n",
    "apiVersion: v1\nkind: List\nitems: [{}, {kind: ScalingPolicy, metadata: {}}]\n",
)
TEXTS = (
    f"{POLICY}\tmaxReplicas: 3\n",
    f"{POLICY}  maxReplicas: 3{POLICY}  maxReplicas: 3\n",
    f"{POLICY}  maxReplicas: 3\n...\ntext\n",
    f"{POLICY}  maxReplicas: 3\n".replace("\n", "\r\n"),
    f"{POLICY}  maxReplicas: 3\n".replace("\n", "\r"),
    "%YAML 9.9\n---\na: 1\n",
    "%TAG ! x\n%TAG ! x\n---\na: 1\n",
)


def inspected(text: str) -> tuple[Found, ...]:
    """Everything in it, once what each form of the output is made of has been looked at."""
    found = tuple(rivals(inspect("a.yaml", text)))
    for it in found:
        assert all(line.isprintable() and len(line) < 1000 for line in (*it.lines(), *it.warned(), it.title))
    whole = Inspected(found, 1, 0)
    json.loads(json.dumps(_document(whole), allow_nan=False).encode())
    assert _summary(whole)
    return found


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text[-40:]))
def test_no_text_ends_in_a_traceback(text: str) -> None:
    inspected(text)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: ascii(value[:40]))
def test_no_value_ends_in_a_traceback_anywhere(value: str) -> None:
    for place in PLACES:
        inspected(place.replace("{}", value))


@pytest.mark.parametrize("value", VALUES, ids=lambda value: ascii(value[:40]))
def test_a_text_that_cannot_be_read_says_what_to_write(value: str) -> None:
    *_, last = [None, *read(f"{POLICY}  maxReplicas: {value}\n")]
    if isinstance(last, Unreadable):
        assert last.line in (6, 7)
        assert last.instead != "valid YAML"


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a, *a, *a]\n",
        "\n".join(["a0: &a0 {k: v}", *(f"a{i}: &a{i} {{<<: [{f'*a{i - 1}, ' * 9}]}}" for i in range(1, 40))]),
        "\n".join(["a0: &a0 [x]", *(f"a{i}: &a{i} [{f'*a{i - 1}, ' * 9}]" for i in range(1, 40)), "? *a39\n: 1"]),
        f"{POLICY}  maxReplicas: {'[' * 900}\n",
        f"{POLICY}  maxReplicas: 3\n  mode: {'- ' * 5000}\n",
        "? " * 5000,
        "--- 1\n" * 5000,
    ],
    ids=["cycle", "merges", "aliases in a key", "brackets", "dashes", "questions", "documents"],
)
def test_what_multiplies_or_nests_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crds.documents._MAX_VALUES", 2000)
    assert "not valid YAML" in inspected(text)[-1].problems[0][1].why


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (POLICY + "  maxReplicas: 3\n" + "".join(f"  max{i}: 3\n" for i in range(300)), 100),
        (POLICY + "".join("  maxReplicas: 3\n" for _ in range(300)), 100),
        (
            POLICY + "  maxReplicas: 9\n  schedules:\n"
            + "".join(f"  - {{name: w{i}, start: '08:00', end: '09:00', minReplicas: 2}}\n" for i in range(300)), 121,
        ),
    ],
    ids=["unknown fields", "duplicate keys", "overlapping windows"],
)  # fmt: skip
def test_the_problems_of_one_resource_are_bounded(text: str, count: int) -> None:
    [found] = inspected(text)
    assert len(found.problems) == count


def test_a_value_without_end_is_cut() -> None:
    text = POLICY.replace("chat,", f"{'x' * 100_000},") + f"  {'y' * 900}: {'z' * 100_000}\n"
    [found] = inspected(text)
    assert {problem.path[:10] for _, problem in found.problems} == {"metadata.n", "spec.maxRe", "spec.yyyyy"}


@given(
    st.sampled_from(VALUES), st.lists(st.integers(0, 120), max_size=3), st.text(alphabet="ab:- \n[]{}&*!'\"|>%@#?,1\t")
)
def test_no_damaged_policy_ends_in_a_traceback(value: str, places: list[int], text: str) -> None:
    whole: Any = f"{POLICY}  maxReplicas: {value}\n"
    for place in places:
        whole = whole[:place] + text + whole[place + len(text) // 2 :]
    inspected(whole)
