"""The states on disk: the old file or the new one, never a half; what cannot be read is told and left out."""

import os
import threading
from pathlib import Path

import pytest

from autoscaler.records import store
from policies.engine import step
from policies.model import Filters, State
from tests.support.worlds import Fleet, a_policy


def a_state(ticks: int = 10) -> State:
    fleet, state = Fleet(), State()
    for _ in range(ticks):
        state = step(a_policy(), state, fleet.tick(5.0, 3.0)).state
    return state


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    states = {"chat/qwen": a_state(), "chat/new": State()}
    store.save(tmp_path / "deep" / "folder", states)
    assert store.load(tmp_path / "deep" / "folder") == states


def test_a_later_save_replaces_the_earlier_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    store.save(tmp_path, {"chat/qwen": a_state()})
    store.save(tmp_path, {"chat/other": State()})
    assert set(store.load(tmp_path)) == {"chat/other"}
    assert [file.name for file in tmp_path.iterdir()] == [store.NAME]


@pytest.mark.parametrize("where", [None, "nowhere"])
def test_nothing_saved_is_nothing_known(tmp_path: Path, where: str | None) -> None:
    assert store.load(None if where is None else tmp_path / where) == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        "null",
        '{"a/b": 7}',
        '{"a/b": {"mood": 1}}',
        '{"a/b": {"filters": {"level": NaN}}}',
        "\udcff",
    ],
)
def test_what_cannot_be_read_is_left_out(tmp_path: Path, text: str) -> None:
    (tmp_path / store.NAME).write_bytes(text.encode(errors="surrogateescape"))
    assert store.load(tmp_path) == {}


def test_a_save_that_fails_keeps_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.save(tmp_path, {"chat/qwen": State()})

    def fails(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="No space left"):
        store.save(tmp_path, {"chat/qwen": a_state()})
    assert store.load(tmp_path) == {"chat/qwen": State()}


def test_no_state_that_is_not_a_number_is_ever_saved(tmp_path: Path) -> None:
    store.save(tmp_path, {"chat/qwen": State()})
    with pytest.raises(ValueError, match="Out of range float"):
        store.save(tmp_path, {"chat/qwen": State(filters=Filters(level=float("nan")))})
    assert store.load(tmp_path) == {"chat/qwen": State()}


def test_a_file_nested_without_end_is_left_out(tmp_path: Path) -> None:
    (tmp_path / store.NAME).write_text("[" * 100_000)
    assert store.load(tmp_path) == {}


def test_two_saves_at_once_leave_one_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last save, at the end, beside one that a thread is busy with."""
    writing, go_on = threading.Event(), threading.Event()

    def slow(_descriptor: int) -> None:
        writing.set()
        go_on.wait(5.0)

    monkeypatch.setattr(os, "fsync", slow)
    first = threading.Thread(target=store.save, args=(tmp_path, {"chat/qwen": a_state()}))
    last = threading.Thread(target=store.save, args=(tmp_path, {"chat/qwen": State()}))
    first.start()
    assert writing.wait(5.0)
    last.start()
    go_on.set()
    first.join()
    last.join()
    assert store.load(tmp_path) == {"chat/qwen": State()}
