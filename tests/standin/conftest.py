from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.standin.cluster import Rig, a_standin
from tests.support.fake_clock import FakeClock
from tests.support.fake_kube import FakeKube


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """A stand-in on a cluster with one node."""
    clock = FakeClock()
    async with a_standin(clock, FakeKube(clock), tmp_path / "saved") as running:
        await running.node()
        yield running
