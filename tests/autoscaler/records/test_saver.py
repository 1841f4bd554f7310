"""States are saved every 30 s; what cannot be saved is logged, and the next save goes on."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
from structlog.testing import capture_logs

from autoscaler.records.saver import Saver
from autoscaler.records.store import Loaded
from autoscaler.telemetry import metrics
from policies.model import State
from policies.pool import PoolState
from tests.support.fake_clock import FakeClock

NO_POOLS: Mapping[str, PoolState] = {}


class FakeStore:
    """A store in memory. What it does not do: load."""

    def __init__(self) -> None:
        self.saves: list[Mapping[str, State]] = []
        self.pools: list[Mapping[str, PoolState]] = []
        self.problems: Mapping[str, str] = {}
        self.meanwhile: Callable[[], object] = lambda: None

    async def load(self) -> Loaded:
        raise NotImplementedError

    async def save(self, states: Mapping[str, State], pools: Mapping[str, PoolState] = NO_POOLS) -> Mapping[str, str]:
        self.saves.append(dict(states))
        self.pools.append(dict(pools))
        self.meanwhile()
        return self.problems


async def test_states_are_saved_every_30_s_also_after_one_failed() -> None:
    store, clock, states = FakeStore(), FakeClock(), {"ns/a": State()}
    task = asyncio.create_task(Saver(store, lambda: states, clock).run())
    await clock.advance(29.0)
    assert store.saves == []
    store.problems = {"ns/a": "No space left on device"}
    with capture_logs() as logs:
        await clock.advance(1.0)
    assert [(each["event"], each["problems"]) for each in logs] == [("state.not_saved", store.problems)]
    states["ns/b"] = State()
    await clock.advance(30.0)
    assert [set(saved) for saved in store.saves] == [{"ns/a"}, {"ns/a", "ns/b"}]
    task.cancel()


async def test_the_ledger_is_saved_beside_the_states_and_a_failure_is_logged() -> None:
    store, clock, problems = FakeStore(), FakeClock(), iter(["", "No space left on device"])

    async def save_ledger() -> str:
        return next(problems)

    saver = Saver(store, dict, clock, save_ledger)
    with capture_logs() as logs:
        await saver.save()
        await saver.save()
    assert len(store.saves) == 2
    assert [(each["event"], each["problem"]) for each in logs] == [("ledger.not_saved", "No space left on device")]


async def test_the_age_of_what_is_saved_grows_while_saving_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    store, clock, states = FakeStore(), FakeClock(), {"ns/a": State(), "ns/b": State()}
    monkeypatch.setattr(metrics.STATE_AGE, "_clock", clock)
    for policy in states:
        metrics.follow(policy, clock.now())

    def deleted() -> None:
        del states["ns/b"]
        metrics.forget("ns/b")

    saver = Saver(store, lambda: dict(states), clock)
    store.problems = {"ns/a": "a number is not finite"}
    await clock.advance(300.0)
    assert (age("ns/a"), age("ns/b")) == (300.0, 300.0)  # also where the store does not answer
    await saver.save()
    assert (age("ns/a"), age("ns/b")) == (300.0, 0.0)
    store.problems, store.meanwhile = {}, deleted
    await saver.save()
    assert (age("ns/a"), age("ns/b")) == (0.0, None)  # deleted while it was saved
    metrics.forget("ns/a")


def age(policy: str) -> float | None:
    return metrics.REGISTRY.get_sample_value("outrider_state_age_seconds", {"policy": policy})


async def test_the_states_of_pools_are_saved_with_those_of_the_policies() -> None:
    store = FakeStore()
    await Saver(
        store, lambda: {"ns/a": State()}, FakeClock(), pools=lambda: {"h100": PoolState(standby_nodes=2)}
    ).save()
    assert (store.saves, store.pools) == ([{"ns/a": State()}], [{"h100": PoolState(standby_nodes=2)}])
