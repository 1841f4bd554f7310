"""Whatever plays the runs, and however many at a time, the result is the same to the digit; and Ctrl-C ends all of it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import psutil
import pytest

from replay.commands import processes
from replay.commands.processes import Workers, workers
from tests.replay.synthetic_chat import POLICY, chat, replay


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("parallel")
    (folder / "policy.yaml").write_text(POLICY)
    return [str(chat(folder)), "--policy", str(folder / "policy.yaml"), "--json"]


@pytest.fixture(scope="module")
def here(arguments: list[str]) -> dict[str, tuple[int, str, str]]:
    """What one process gives."""
    return {kind: replay(*arguments, *more, "--jobs", "1") for kind, more in KINDS.items()}


KINDS = {"tournament": [], "sweep": ["--sweep", "minimum"]}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_processes_give_the_same(kind: str, arguments: list[str], here: dict[str, tuple[int, str, str]]) -> None:
    assert here[kind][0] == 0
    assert replay(*arguments, *KINDS[kind], "--jobs", "3") == here[kind]


@pytest.fixture(scope="module")
def dask() -> Iterator[str]:
    from distributed import LocalCluster  # takes half a second

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="") as cluster:  # type: ignore[no-untyped-call]
        yield cluster.scheduler_address


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_dask_cluster_gives_the_same(
    kind: str,
    arguments: list[str],
    here: dict[str, tuple[int, str, str]],
    dask: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", dask)
    assert replay(*arguments, *KINDS[kind], "--backend", "dask") == here[kind]


def test_by_default_there_is_one_process_for_each_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "cores", lambda: 1)
    with workers() as found:
        assert found.jobs == 1


@pytest.mark.parametrize(
    ("backend", "why"),
    [
        ("dask", "needs the address of a cluster: set DASK_SCHEDULER_ADDRESS, e.g. to tcp://HOST:8786"),
        ("ray", "needs a package that is missing: run pip install 'outrider[ray]'"),
    ],
)
def test_a_cluster_that_cannot_be_used_is_refused(
    backend: str, why: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    assert replay(*arguments, "--backend", backend) == (2, "", f"outrider replay: --backend {backend} {why}\n")


@pytest.mark.parametrize("address", ["nohost.invalid", "foo://host:8786", "tcp://host:port"])
def test_a_wrong_address_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that begins with one waits for ever when the process ends."""
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", address)
    with (
        pytest.raises(ValueError, match=f"DASK_SCHEDULER_ADDRESS={address} is not an address such as"),
        workers("dask"),
    ):
        pass
    assert "Dask" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.slow
def test_a_cluster_without_workers_is_refused(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import LocalCluster

    monkeypatch.setattr(processes, "NO_WORKERS_SECONDS", 0.1)
    with LocalCluster(n_workers=0, dashboard_address="") as cluster:  # type: ignore[no-untyped-call]
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", cluster.scheduler_address)
        code, out, err = replay(*arguments, "--backend", "dask")
    assert (code, out) == (2, "")
    assert err.endswith(f"has had no worker for 0.1 s; start some with dask worker {cluster.scheduler_address}\n")


def test_a_user_without_a_home_has_no_checkpoints(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    code, _, err = replay(*arguments)
    assert (code, err) == (0, "")


def test_a_folder_for_checkpoints_that_cannot_be_made_is_refused(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, out, err = replay(*arguments, "--checkpoints", str(tmp_path / "file"))
    assert (code, out) == (2, "")
    assert "File exists" in err


def test_a_process_that_dies_is_a_failure_in_one_line(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: object) -> Iterator[object]:
        raise processes.WorkersError("a process ended before its run did")
        yield

    monkeypatch.setattr(Workers, "play", dies)
    assert replay(*arguments) == (1, "", "outrider replay: a process ended before its run did\n")


@pytest.mark.slow
def test_a_killed_process_is_noticed() -> None:
    with workers(jobs=2) as two, pytest.raises(processes.WorkersError, match="try fewer --jobs") as raised:
        list(two.spread(_die, [(0,), (1,)]))
    assert not isinstance(raised.value, BrokenProcessPool)


def _die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_ends_all_processes_and_the_same_command_goes_on(
    jobs: str, arguments: list[str], here: dict[str, tuple[int, str, str]], tmp_path: Path
) -> None:
    """The terminal sends SIGINT to the whole group."""
    command = [str(Path(sys.executable).with_name("outrider")), "replay", *arguments, *KINDS["sweep"], "--jobs", jobs]
    command += ["--checkpoints", str(tmp_path)]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while running.poll() is None and not list(tmp_path.glob("*.npz")):
        time.sleep(0.02)
    children = psutil.Process(running.pid).children(recursive=True)
    os.killpg(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=30)
    assert (running.returncode, out) == (130, "")
    assert err.endswith("; the same command goes on from them.\n")
    assert err.startswith(f"outrider replay: finished runs are kept in {tmp_path} (")
    assert err.count("\n") == 1
    assert len(children) >= (jobs == "2")
    assert psutil.wait_procs(children, timeout=10)[1] == []
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == here["sweep"][1]
    assert done.stderr.startswith("outrider replay: runs that an interrupted command had finished: ")
    assert list(tmp_path.iterdir()) == []
