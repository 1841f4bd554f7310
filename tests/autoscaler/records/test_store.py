"""The states on disk: each policy's old file or its new one, never a half; one that is refused costs no other policy."""

import errno
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn, cast

import pytest
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from autoscaler.records import store
from autoscaler.records.store import FileStore, file_name
from autoscaler.telemetry.metrics import REGISTRY, forget
from policies.codec import plain
from policies.engine import step
from policies.model import Decided, Filters, State
from tests.support.worlds import Fleet, a_policy

QWEN = "chat%2Fqwen.json"
NAN = State(filters=Filters(level=float("nan")))


def a_state(ticks: int = 10) -> State:
    fleet, state = Fleet(), State()
    for _ in range(ticks):
        state = step(a_policy(), state, fleet.tick(5.0, 3.0)).state
    return state


def content(policy: str = "chat/qwen", **changes: object) -> str:
    return json.dumps({"format": store.FORMAT, "policy": policy, "state": plain(State()), **changes})


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def counted(policy: str, reason: str) -> float | None:
    return REGISTRY.get_sample_value("outrider_state_refused_total", {"policy": policy, "reason": reason})


@pytest.fixture(autouse=True)
def _uncounted() -> Iterator[None]:
    yield
    forget("chat/qwen")


async def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    states = {"chat/qwen": a_state(), "chat/new": State()}
    assert await FileStore(tmp_path / "deep" / "folder").save(states) == {}
    loaded = await FileStore(tmp_path / "deep" / "folder").load()
    assert (loaded.states, loaded.refused) == (states, {})


async def test_the_file_says_its_format_and_its_policy(tmp_path: Path) -> None:
    await FileStore(tmp_path).save({"chat/qwen": State()})
    assert names(tmp_path) == [QWEN]
    assert json.loads((tmp_path / QWEN).read_text()) == json.loads(content())


async def test_a_later_save_replaces_the_earlier_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    await FileStore(tmp_path).save({"chat/qwen": State(), "chat/gone": State()})
    again = FileStore(tmp_path)
    await again.load()
    await again.save({"chat/qwen": a_state(), "chat/other": State()})
    assert set((await FileStore(tmp_path).load()).states) == {"chat/qwen", "chat/other"}
    assert names(tmp_path) == ["chat%2Fother.json", QWEN]


@pytest.mark.parametrize("where", [None, "nowhere"])
async def test_without_a_folder_there_is_nothing(tmp_path: Path, where: str | None) -> None:
    assert await FileStore(None if where is None else tmp_path / where).load() == store.Loaded()
    assert await FileStore(None).save({"chat/qwen": State()}) == {}


@pytest.mark.parametrize(
    ("text", "reason", "problem"),
    [
        ("", "unreadable", "cannot be read"),
        (content()[:-20], "unreadable", "cannot be read"),
        ("\udcff", "unreadable", "cannot be read"),
        ("[" * 100_000, "unreadable", "cannot be read"),
        ("7", "format", f"has no format number; this version reads format {store.FORMAT}"),
        ('{"chat/qwen": {}}', "format", "has no format number"),
        (content(format=0), "format", f"has format 0; this version reads format {store.FORMAT}"),
        (content(format=1), "format", f"has format 1; this version reads format {store.FORMAT}"),
        (content(state=7), "invalid", "an object was expected"),
        (content(state={"mood": 1}), "invalid", "unknown fields ['mood']"),
        (content(state={"filters": {"level": float("nan")}}), "invalid", "a finite number was expected"),
        (content(format=True), "format", "has format True"),
        (content("chat/\ud800"), "invalid", "the state of another policy"),
        (content("chat/other"), "invalid", "the state of another policy: 'chat/other'"),
        (content(state={"filters": {"level": 10**400}}), "invalid", "a finite number was expected"),
        ('{"format": 3, "state": {"filters": {"level": 1e999}}, "policy": "chat/qwen"}', "invalid", "a finite number"),
        (content() + " " * store.MOST_BYTES, "unreadable", "has more than 1048576 bytes, which no state has"),
    ],
)
async def test_one_that_cannot_be_used_is_kept_aside_counted_and_logged(
    tmp_path: Path, text: str, reason: str, problem: str
) -> None:
    await FileStore(tmp_path).save({"chat/good": a_state()})
    (tmp_path / QWEN).write_bytes(text.encode(errors="surrogateescape"))
    with capture_logs() as logs:
        loaded = await FileStore(tmp_path).load()
    assert loaded.states == {"chat/good": a_state()}
    assert set(loaded.refused) == {"chat/qwen"}
    assert problem in loaded.refused["chat/qwen"]
    assert "\n" not in loaded.refused["chat/qwen"]
    assert counted("chat/qwen", reason) == 1
    assert [(each["event"], each["policy"], each["kept_as"]) for each in logs] == [
        ("state.refused", "chat/qwen", f"{QWEN}.bad")
    ]
    assert names(tmp_path) == ["chat%2Fgood.json", f"{QWEN}.bad"]
    assert (tmp_path / f"{QWEN}.bad").read_bytes() == text.encode(errors="surrogateescape")


async def test_the_newest_refused_file_of_a_policy_is_kept_and_no_save_touches_it(tmp_path: Path) -> None:
    for text in ("first", "second"):
        (tmp_path / QWEN).write_text(text)
        found = FileStore(tmp_path)
        assert set((await found.load()).refused) == {"chat/qwen"}
        await found.save({"chat/qwen": State()})
        await found.save({})
    assert names(tmp_path) == [f"{QWEN}.bad"]
    assert (tmp_path / f"{QWEN}.bad").read_text() == "second"


async def test_a_file_that_was_not_read_is_not_overwritten(tmp_path: Path) -> None:
    """Neither where the folder could not be listed, nor where the refused file could not be moved at the start."""
    (tmp_path / QWEN).write_text("precious")
    await FileStore(tmp_path).save({"chat/qwen": State()})
    assert (tmp_path / f"{QWEN}.bad").read_text() == "precious"
    assert (await FileStore(tmp_path).load()).states == {"chat/qwen": State()}


async def test_the_file_of_all_states_that_older_versions_wrote_is_refused_for_every_policy(tmp_path: Path) -> None:
    (tmp_path / "states.json").write_text('{"chat/qwen": {}}')
    with capture_logs() as logs:
        loaded = await FileStore(tmp_path).load()
    assert loaded.older.startswith("states.json was written by an older version")
    assert (loaded.states, loaded.refused) == ({}, {})
    assert [(each["event"], each["kept_as"]) for each in logs] == [("state.refused", "states.json.bad")]
    assert names(tmp_path) == ["states.json.bad"]
    assert (await FileStore(tmp_path).load()).older == ""


@pytest.mark.parametrize(
    "name", [b"package.json", b"\xff%2Fx.json", b"%FF%2Fx.json", b"a%2fb.json", "ü%2Fx.json".encode()]
)
async def test_files_of_others_are_left_alone(tmp_path: Path, name: bytes) -> None:
    """A name of bytes that are no text, as the name of a policy, would be the end of /metrics."""
    (tmp_path / os.fsdecode(name)).write_text("{}")
    assert await FileStore(tmp_path).load() == store.Loaded()
    assert names(tmp_path) == [os.fsdecode(name)]
    assert generate_latest(REGISTRY)


async def test_a_folder_that_cannot_be_listed_is_logged(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with capture_logs() as logs:
        assert await FileStore(tmp_path / "taken").load() == store.Loaded()
    assert [each["event"] for each in logs] == ["state.folder_unreadable"]


def test_no_two_policies_share_a_file() -> None:
    policies = ["a/b-c", "a-b/c", "a/b.c", "a/b", "a/b.json", "a%2Fb/c", "a/b%2Fc", f"n/{'x' * 253}", f"n/{'x' * 252}y"]
    found = {file_name(policy) for policy in policies}
    assert len(found) == len(policies)
    assert all(len(f"{name}.bad") <= 255 and "/" not in name for name in found)


async def test_the_longest_names_are_saved(tmp_path: Path) -> None:
    states = {f"{'n' * 63}/{'x' * 253}": State(), f"{'n' * 63}/{'x' * 252}y": a_state()}
    assert await FileStore(tmp_path).save(states) == {}
    assert (await FileStore(tmp_path).load()).states == states


async def test_a_full_disk_keeps_what_was_saved_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is full for one policy, and takes the other."""
    saved = FileStore(tmp_path)
    await saved.save({"chat/a": State(), "chat/b": State()})
    calls = iter([OSError(errno.ENOSPC, "No space left on device"), None])

    def fails_once(_descriptor: int) -> None:
        if (error := next(calls)) is not None:
            raise error

    monkeypatch.setattr(os, "fsync", fails_once)
    problems = await saved.save({"chat/a": a_state(), "chat/b": a_state()})
    assert problems == {"chat/a": "[Errno 28] No space left on device"}
    assert (await FileStore(tmp_path).load()).states == {"chat/a": State(), "chat/b": a_state()}


async def test_a_folder_that_cannot_be_written_is_a_problem_of_every_policy(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    problems = await FileStore(tmp_path / "taken" / "deep").save({"chat/a": State(), "chat/b": State()})
    assert set(problems) == {"chat/a", "chat/b"}


async def test_a_read_only_folder_keeps_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await FileStore(tmp_path).save({"chat/qwen": State(), "chat/gone": State()})
    (tmp_path / "chat%2Fbad.json").write_text("torn")
    before = names(tmp_path)

    def refused(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as read_only:  # root, as which tests may run, is not kept from a folder by its mode
        for name in ("replace", "unlink", "mkdir"):
            read_only.setattr(Path, name, refused)
        found = FileStore(tmp_path)
        loaded = await found.load()
        assert (set(loaded.states), set(loaded.refused)) == ({"chat/qwen", "chat/gone"}, {"chat/bad"})
        assert set(await found.save({"chat/qwen": a_state(), "chat/bad": State()})) == {"chat/qwen", "chat/bad"}
        assert names(tmp_path) == before
    assert await found.save({"chat/qwen": a_state(), "chat/bad": State()}) == {}
    assert names(tmp_path) == ["chat%2Fbad.json", "chat%2Fbad.json.bad", QWEN]


async def test_no_state_that_is_not_finite_is_saved(tmp_path: Path) -> None:
    await FileStore(tmp_path).save({"chat/qwen": State()})
    found = FileStore(tmp_path)
    await found.load()
    problems = await found.save({"chat/qwen": NAN, "chat/good": a_state()})
    assert set(problems) == {"chat/qwen"}
    assert (await FileStore(tmp_path).load()).states == {"chat/qwen": State(), "chat/good": a_state()}


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (NAN, "the state contains a number that cannot be written"),
        (State(filters=Filters(level=float("inf"))), "the state contains a number that cannot be written"),
        (State(decided=Decided(peaks=((0.0, 1),) * 200_000)), "more than the 1048576 that are read at a start"),
        (State(decided=Decided(replicas=10**5000)), "the state contains a number that cannot be written"),
        (cast(State, {1: {2}}), "is not JSON serializable"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_one_state_that_cannot_be_saved_costs_no_other_policy_its_own(
    tmp_path: Path, state: State, problem: str
) -> None:
    found = FileStore(tmp_path)
    await found.save({"chat/qwen": a_state()})
    problems = await found.save({"chat/a": State(), "chat/qwen": state, "chat/z": a_state()})
    assert set(problems) == {"chat/qwen"}
    assert problem in problems["chat/qwen"]
    assert len(problems["chat/qwen"]) < 200
    loaded = await FileStore(tmp_path).load()
    assert loaded.states == {"chat/a": State(), "chat/qwen": a_state(), "chat/z": a_state()}, "what it had stays"


async def test_two_saves_at_once_leave_the_later_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last save, at the end, beside one that a thread is busy with."""
    writing, go_on = threading.Event(), threading.Event()

    def slow(_descriptor: int) -> None:
        writing.set()
        go_on.wait(5.0)

    monkeypatch.setattr(os, "fsync", slow)
    saved = FileStore(tmp_path)
    first = threading.Thread(target=saved._save, args=(tmp_path, {"chat/qwen": a_state()}))
    last = threading.Thread(target=saved._save, args=(tmp_path, {"chat/qwen": State()}))
    first.start()
    assert writing.wait(5.0)
    last.start()
    go_on.set()
    first.join()
    last.join()
    assert (await FileStore(tmp_path).load()).states == {"chat/qwen": State()}
