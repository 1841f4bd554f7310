"""The ledger on disk: the old file or the new one, never a half; one that cannot be used is kept aside."""

import errno
import json
import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from autoscaler.records import ledgers
from autoscaler.records.ledgers import NAME, LedgerFile
from autoscaler.records.store import FileStore
from policies.belief import Moments
from policies.codec import encode
from policies.ledger import LONGEST, MOST_KEYS, Entry, Key, Ledger, Observation, observe, saved
from policies.model import State
from policies.starts import Part
from policies.supply import Stage


def a_ledger(seconds: float = 200.0) -> Ledger:
    return observe(Ledger(), Observation(Part.IMAGE, ("g6.xlarge", "vllm"), seconds), Stage(230.0, 330.0))


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


@pytest.mark.parametrize("where", [None, "nowhere"])
async def test_without_a_file_there_is_an_empty_ledger(tmp_path: Path, where: str | None) -> None:
    with capture_logs() as logs:
        assert await LedgerFile(None if where is None else tmp_path / where).load() == (Ledger(), "")
        assert await LedgerFile(None).save(a_ledger()) == ""
    assert logs == []


async def test_what_was_saved_is_loaded_beside_the_states(tmp_path: Path) -> None:
    await FileStore(tmp_path).save({"chat/qwen": State()})
    assert await LedgerFile(tmp_path).save(a_ledger()) == ""
    assert await LedgerFile(tmp_path).load() == (a_ledger(), "")
    assert (await FileStore(tmp_path).load()).states == {"chat/qwen": State()}
    assert names(tmp_path) == ["chat%2Fqwen.json", NAME]


async def test_it_is_written_when_something_was_learned(tmp_path: Path) -> None:
    file, ledger = LedgerFile(tmp_path), a_ledger()
    await file.save(ledger)
    (tmp_path / NAME).unlink()
    await file.save(ledger)
    assert names(tmp_path) == []
    await file.save(a_ledger(100.0))
    assert names(tmp_path) == [NAME]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "cannot be read"),
        ('{"format": 1, "ledger": {"rows": [', "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ("7", "has no format number; this version reads format 1"),
        ('{"format": 9}', "has format 9; this version reads format 1"),
        ('{"format": 1}', "does not contain a valid ledger: 'ledger'"),
        ('{"format": 1, "ledger": {"rows": [{"part": "image"}]}}', "does not contain a valid ledger"),
        ('{"format": 1, "ledger": {"rows": [{"part": "image", "key": ["a"], "entry": {"seen": -1}}]}}', "negative"),
        ('{"format": 1, "ledger": {"rows": [{"part": "image", "key": ["a"], "entry": {"done": NaN}}]}}', "finite"),
        (" " * (ledgers.MOST_BYTES + 1), "bytes, which no ledger has"),
    ],
    ids=lambda value: value[:40].strip(),
)
async def test_one_that_cannot_be_used_is_kept_aside_and_logged(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / NAME).write_text(text)
    file = LedgerFile(tmp_path)
    with capture_logs() as logs:
        ledger, why = await file.load()
    assert ledger == Ledger()
    assert problem in why
    assert "\n" not in why
    assert [(each["event"], each["kept_as"]) for each in logs] == [("ledger.refused", f"{NAME}.bad")]
    await file.save(a_ledger())
    assert names(tmp_path) == [NAME, f"{NAME}.bad"]
    assert (tmp_path / f"{NAME}.bad").read_text() == text


async def test_a_file_that_was_not_read_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("precious")
    assert await LedgerFile(tmp_path).save(a_ledger()) == ""
    assert (tmp_path / f"{NAME}.bad").read_text() == "precious"


async def test_a_full_disk_keeps_what_was_saved_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = LedgerFile(tmp_path)
    await file.save(a_ledger())

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as at_first:
        at_first.setattr(os, "fsync", full)
        assert await file.save(a_ledger(100.0)) == "[Errno 28] No space left on device"
        assert await LedgerFile(tmp_path).load() == (a_ledger(), "")
    assert await file.save(a_ledger(100.0)) == ""
    assert await LedgerFile(tmp_path).load() == (a_ledger(100.0), "")


async def test_a_folder_that_cannot_be_made_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    file = LedgerFile(tmp_path / "taken")
    ledger, why = await file.load()
    assert (ledger, "cannot be read" in why) == (Ledger(), True)
    assert await file.save(a_ledger()) != ""


def test_the_largest_ledger_fits() -> None:
    longest = '"' * LONGEST
    entry = Entry(
        10**9,
        Moments(29.412345678901234, 5.412345678901234, 1.2345678901234567e-17, (5.123456789012345,) * 8),
        29.4123456789012,
        29.41234567,
    )
    keys: dict[Key, Entry] = {(longest, longest, longest, f"{index:{LONGEST}}"): entry for index in range(MOST_KEYS)}
    text = encode({"format": ledgers.FORMAT, "ledger": json.loads(encode(saved(Ledger({Part.REACTION: keys}))))})
    assert len(text) * len(Part) < ledgers.MOST_BYTES
