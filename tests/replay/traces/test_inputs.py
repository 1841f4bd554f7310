"""Every file gives what inputs.txt says: a trace, or a refusal in one sentence."""

from pathlib import Path

import pytest

from crds.resolve.problems import printable
from tests.replay.traces.inputs import INPUTS, SLOW_INPUTS, Input, expected

EXPECTED = expected()


def named(inputs: list[Input]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("each", inputs, ids=lambda each: printable(each.name))


def gives(each: Input, folder: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(folder)
    each.make(folder, shared)
    return each.read()


@named(INPUTS)
def test_a_file_gives_what_is_written(
    each: Input, tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gives(each, tmp_path, shared, monkeypatch) == EXPECTED[printable(each.name)]


@pytest.mark.slow
@named(SLOW_INPUTS)
def test_a_file_that_unpacks_to_gigabytes_is_refused(
    each: Input, tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gives(each, tmp_path, shared, monkeypatch) == EXPECTED[printable(each.name)]


def test_the_list_has_no_other_files() -> None:
    assert list(EXPECTED) == [printable(each.name) for each in INPUTS + SLOW_INPUTS]
    assert len(EXPECTED) >= 40


def test_every_refusal_is_one_line_that_can_be_printed() -> None:
    assert all(text.isprintable() for text in EXPECTED.values())
