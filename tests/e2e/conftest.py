"""One cluster for the whole suite, and a namespace for each test."""

import contextlib
import os
import re
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
import requests
from rich.console import Console

from tests.e2e import build
from tests.e2e.harness import Cluster
from tests.e2e.harness.outrider import Outrider
from tests.e2e.harness.scripted import ScriptedScaler

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that need the cluster, so that the default run leaves them out."""
    for item in items:
        if HERE in item.path.parents and "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.e2e)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the log tails of dead components and of the controllers to a failure's report."""
    report = yield
    used = getattr(item, "funcargs", {})
    cluster = used.get("cluster")
    if report.failed and isinstance(cluster, Cluster):
        dead = [each for each in cluster.components.values() if each.died]
        suspects = [*dead, *(each.process for each in used.get("controllers", ()))]
        report.sections += [(f"{each.name} ({report.when})", each.tail()) for each in suspects]
        report.sections.append(("cluster", f"all logs are in {cluster.folder}"))
    return report


def view(folder: Path) -> Cluster:
    """The cluster that runs in that folder; the test fails if none does."""
    if (folder / "ports.json").exists():
        found = Cluster(folder)
        with contextlib.suppress(requests.RequestException):
            if found.answers():
                return found
    pytest.fail(f"no cluster runs in {folder} (OUTRIDER_E2E_CLUSTER); `make cluster` starts one", pytrace=False)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The suite's own cluster, or the running one in OUTRIDER_E2E_CLUSTER, which no test may disturb."""
    running = os.environ.get("OUTRIDER_E2E_CLUSTER")
    if running:
        yield view(Path(running).absolute())
        return
    build.build(Console(stderr=True))
    with Cluster(tmp_path_factory.mktemp("cluster")) as own:
        yield own


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace for the test alone."""
    stem = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower()).strip("-")[:40]
    name = f"{stem}-{uuid.uuid4().hex[:5]}"
    cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    cluster.api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def controllers() -> Iterator[list[Outrider]]:
    """The controllers that the test has started; they are stopped after it."""
    started: list[Outrider] = []
    yield started
    for each in started:
        each.process.stop()


@pytest.fixture
def outrider(cluster: Cluster, namespace: str, tmp_path: Path, controllers: list[Outrider]) -> Callable[..., Outrider]:
    """Starts a controller for the test's namespace; keyword arguments are settings, `scrape_interval_seconds=1`."""

    def start(**settings: object) -> Outrider:
        folder = tmp_path / f"outrider-{len(controllers)}"
        folder.mkdir()
        controllers.append(Outrider(cluster, folder, namespace, settings))
        controllers[-1].start()
        return controllers[-1]

    return start


@pytest.fixture
def scaler() -> Iterator[ScriptedScaler]:
    """Outrider's scaler alone: the test writes the decisions."""
    with ScriptedScaler() as own:
        yield own
