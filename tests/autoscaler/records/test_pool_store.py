"""The states of pools on disk, beside those of the policies."""

import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from autoscaler.records import store
from autoscaler.records.store import FileStore
from autoscaler.telemetry.metrics import REGISTRY
from policies.codec import plain
from policies.model import State
from policies.pool import PoolState
from policies.pool_step import pool_step
from tests.support.pool_logs import POOL, pool_inputs

FILE = "pool%3Ah100.json"


def a_state() -> PoolState:
    state = PoolState()
    for tick in range(5):
        state = pool_step(POOL, state, pool_inputs(15.0 * tick)).state
    return state


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def content(**changes: object) -> str:
    return json.dumps({"format": store.POOL_FORMAT, "pool": "h100", "state": plain(PoolState()), **changes})


async def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    pools = {"h100": a_state(), "a100.eu": PoolState()}
    assert await FileStore(tmp_path).save({"pool/h100": State()}, pools) == {}
    loaded = await FileStore(tmp_path).load()
    assert (loaded.states, loaded.pools) == ({"pool/h100": State()}, pools)


async def test_the_file_says_its_format_and_its_pool(tmp_path: Path) -> None:
    await FileStore(tmp_path).save({}, {"h100": PoolState()})
    assert names(tmp_path) == [FILE]
    assert json.loads((tmp_path / FILE).read_text()) == json.loads(content())


async def test_a_pool_that_is_gone_leaves_no_file(tmp_path: Path) -> None:
    saved = FileStore(tmp_path)
    await saved.save({"chat/qwen": State()}, {"h100": PoolState()})
    await saved.save({"chat/qwen": State()}, {})
    assert names(tmp_path) == ["chat%2Fqwen.json"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "cannot be read"),
        (content(format=99), f"has format 99; this version reads format {store.POOL_FORMAT}"),
        (content(state={"mood": 1}), "unknown fields ['mood']"),
        (content(pool="a100"), "the state of another pool: 'a100'"),
        (content(pool=7), "the state of another pool: 7"),
    ],
)
async def test_one_that_cannot_be_used_costs_no_other(tmp_path: Path, text: str, problem: str) -> None:
    await FileStore(tmp_path).save({"chat/qwen": State()}, {"a100": a_state()})
    (tmp_path / FILE).write_text(text)
    with capture_logs() as logs:
        loaded = await FileStore(tmp_path).load()
    assert (set(loaded.states), loaded.pools, loaded.refused) == ({"chat/qwen"}, {"a100": a_state()}, {})
    assert problem in loaded.refused_pools["h100"]
    assert [(each["event"], each["kept_as"]) for each in logs] == [("state.refused", f"{FILE}.bad")]
    assert (tmp_path / f"{FILE}.bad").exists()
    reasons = REGISTRY.get_sample_value
    counted = [
        reasons("outrider_pool_state_refused_total", {"pool": "h100", "reason": reason})
        for reason in ("unreadable", "format", "invalid")
    ]
    assert any(counted)


async def test_one_that_cannot_be_written_is_named_and_costs_no_other(tmp_path: Path) -> None:
    saved = FileStore(tmp_path)
    problems = await saved.save({"chat/qwen": State()}, {"h100": PoolState(level=float("nan"))})
    assert set(problems) == {"pool:h100"}
    assert set((await FileStore(tmp_path).load()).states) == {"chat/qwen"}
