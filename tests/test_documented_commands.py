"""The commands in the pages can be typed: each command exists, with each of its options, and the values of some."""

import re
import shlex
from collections.abc import Iterator
from importlib.metadata import entry_points
from itertools import pairwise

import pytest

from autoscaler.cli import GROUP, load
from replay.knobs import KNOBS
from replay.report.assertions import parse
from tests.test_docs import PAGES, ROOT

ENTRIES = {entry.name: entry for entry in entry_points(group=GROUP)}
COMMAND = re.compile(r"(?:^|[\s`/])outrider (?=[a-z])([^`\n|#&;)]*)")


def documented() -> Iterator[tuple[str, str]]:
    """(page, arguments) for each command in a block of code or in backquotes."""
    for page in PAGES:
        if page.name == "CHANGELOG.md":
            continue  # it names commands as they were
        text = re.sub(r"^.*\*Not built yet:.*$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
        blocks = re.findall(r"^```(?:console|yaml|sh)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        spans = re.findall(r"`(outrider [^`\n]*)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
        for part in (*blocks, *spans):
            for arguments in COMMAND.findall(part):
                yield str(page.relative_to(ROOT)), arguments.strip()


FOUND = sorted(set(documented()))


def test_the_pages_are_read() -> None:
    assert len(FOUND) > 20
    assert any(arguments.startswith("replay") for _, arguments in FOUND)


@pytest.mark.parametrize(("page", "arguments"), FOUND, ids=[f"{page}: {arguments}" for page, arguments in FOUND])
def test_a_documented_command_has_the_options_it_is_given(page: str, arguments: str) -> None:
    name, *words = shlex.split(re.sub(r"[\[\]]", " ", arguments))
    assert name in ENTRIES
    known = {option for parameter in load(ENTRIES[name]).params for option in parameter.opts} | {"--help"}
    assert [word for word in words if word.startswith("-") and word.partition("=")[0] not in known] == []
    for option, value in pairwise(words):
        if option == "--assert":
            parse(value)
        if option == "--sweep":
            assert value in (*KNOBS, "all")
