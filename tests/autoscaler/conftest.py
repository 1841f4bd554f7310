from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from autoscaler.kube.client import Kube
from tests.support.fake_api import FakeApi, connected


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
async def kube(api: FakeApi, tmp_path: Path) -> AsyncIterator[Kube]:
    async with connected(api, tmp_path) as connection:
        yield connection
