"""States are saved every 30 s; what cannot be saved is logged, and the next save goes on."""

import asyncio
from collections.abc import Mapping

from structlog.testing import capture_logs

from autoscaler.records.saver import Saver
from autoscaler.records.store import Loaded
from policies.model import State
from tests.support.fake_clock import FakeClock


class FakeStore:
    """A store in memory. What it does not do: load."""

    def __init__(self) -> None:
        self.saves: list[Mapping[str, State]] = []
        self.problems: Mapping[str, str] = {}

    async def load(self) -> Loaded:
        raise NotImplementedError

    async def save(self, states: Mapping[str, State]) -> Mapping[str, str]:
        self.saves.append(dict(states))
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
