"""What the program can print stands in one list, tests/sentences.txt, to be read in one go; and it is plain English."""

import re

from tests.sentences import FILE, listed

DIALECT = re.compile(
    r"\b(told|tells?|voices?|speaks?|spoken|leash|ward|the house|nobody knows|from nothing|wordless|its word)\b",
    re.IGNORECASE,
)


def test_the_list_is_complete() -> None:
    """Takes a quarter of a second, since it parses the whole program: every change of a text has to show in the diff."""
    assert FILE.read_text(encoding="utf-8") == listed(), "run: python -m tests.sentences, and read what changed aloud"


def test_no_sentence_uses_our_own_dialect() -> None:
    assert [line for line in FILE.read_text(encoding="utf-8").splitlines() if DIALECT.search(line)] == []
