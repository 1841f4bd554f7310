"""All that the program can print is in one list, tests/sentences.txt, to be read in one go. It and the pages are plain English."""

import re
from pathlib import Path

import pytest

from tests.sentences import FILE, ROOT, listed
from tests.support import pages

TEXTS = [
    *pages.PAGES,
    *ROOT.glob("deploy/**/*.yaml"),
    ROOT / "Makefile",
    *ROOT.glob(".ci/*"),
]

DIALECT = re.compile(
    r"\b(told|tells?|voices?|speaks?|spoken|leash|ward|the house|nobody knows|from nothing|wordless|its word)\b",
    re.IGNORECASE,
)


def test_the_list_is_complete() -> None:
    """Takes a quarter of a second, since it parses the whole program: every change of a text has to show in the diff."""
    assert FILE.read_text(encoding="utf-8") == listed(), "run: python -m tests.sentences, and read what changed aloud"


def test_every_sentence_is_plain_english() -> None:
    assert [line for line in FILE.read_text(encoding="utf-8").splitlines() if DIALECT.search(line)] == []


@pytest.mark.parametrize("page", sorted(TEXTS), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_page_is_plain_english(page: Path) -> None:
    assert [line for line in page.read_text(encoding="utf-8").splitlines() if DIALECT.search(line)] == []
