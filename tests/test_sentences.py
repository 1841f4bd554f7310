"""All that the program can print is in one list, tests/sentences.txt, to be read in one go, and it is plain English."""

import re

from tests.sentences import FILE, listed

DIALECT = re.compile(
    r"\b(told|tells?|voices?|speaks?|spoken|leash|ward|the house|nobody knows|from nothing|wordless|its word)\b",
    re.IGNORECASE,
)


def test_the_list_is_complete() -> None:
    assert FILE.read_text(encoding="utf-8") == listed(), "run: python -m tests.sentences, and read what changed aloud"


def test_every_sentence_is_plain_english() -> None:
    assert [line for line in listed().splitlines() if DIALECT.search(line)] == []
