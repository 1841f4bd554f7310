"""The real kubectl reads the simulated cluster."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e import build
from tests.e2e.components import program
from tests.e2e.test_crd import COLUMNS
from tests.replay.simcluster.conftest import Running, cluster, policy, policy_file  # noqa: F401 - fixtures

KINDS = ["scpol", "pods", "deployments", "jobs", "events"]


async def kubectl(simulated: Running, folder: Path, *arguments: str) -> str:
    server = (f"--server={simulated.url}", "--kubeconfig=/dev/null", f"--cache-dir={folder}", "--namespace=serving")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(program("kubectl"), *server, *arguments, stdout=pipe, stderr=pipe)
    said, complained = await process.communicate()
    assert process.returncode == 0, complained.decode()
    return said.decode()


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    build.main()


async def test_it_shows_the_columns_of_a_policy(cluster: Running, tmp_path: Path) -> None:  # noqa: F811
    cluster.pass_time(200.0)
    shown = await kubectl(cluster, tmp_path, "get", "scpol")
    header, row = (line.split() for line in shown.splitlines())
    assert header == COLUMNS
    assert row == ["llm", "Active", "llm", "1", "8", "3m20s"]
    assert "MESSAGE" in await kubectl(cluster, tmp_path, "get", "scpol", "llm", "-o", "wide")
    assert (await kubectl(cluster, tmp_path, "get", "scpol", "-A")).startswith("NAMESPACE")


@pytest.mark.parametrize("kind", KINDS)
async def test_it_lists_every_kind(cluster: Running, tmp_path: Path, kind: str) -> None:  # noqa: F811
    await kubectl(cluster, tmp_path, "get", kind, "-o", "wide")
