"""Processes of the harness: none outlives the test run."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.harness.process import DiedError, Process
from tests.e2e.harness.waiting import until

FOR_EVER = "import os, signal; print(os.getpid(), flush=True); signal.pause()"


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def _pid(process: Process) -> int:
    return int(until(process.log.read_text, 10, "its process id").split()[-1])


@pytest.fixture
def process(tmp_path: Path) -> Process:
    return Process("thing", [sys.executable, "-c", FOR_EVER], tmp_path)


def test_it_stops(process: Process) -> None:
    process.start()
    pid = _pid(process)
    assert process.running
    process.stop()
    assert not process.running
    assert not _alive(pid)
    process.check()  # that it was stopped is no fault


def test_it_is_killed_with_what_it_started(process: Process) -> None:
    process.start()
    pid = _pid(process)
    process.kill()
    until(lambda: not _alive(pid), 5, "its end")


def test_one_that_dies_by_itself_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    process = Process("thing", [sys.executable, "-c", "print('no such flag'); raise SystemExit(3)"], tmp_path)
    process.start()
    until(lambda: not process.running, 10, "its end")
    with pytest.raises(DiedError, match=r"thing ended with exit code 3\n(.|\n)*no such flag"):
        process.check()


def test_kill_9_of_the_test_run_leaves_nothing(tmp_path: Path) -> None:
    """0.5 s, since three processes start one another."""
    program = f"""
import pathlib, signal, sys
from tests.e2e.harness.process import Process
Process("thing", [sys.executable, "-c", {FOR_EVER!r}], pathlib.Path({str(tmp_path)!r})).start()
print("started", flush=True)
signal.pause()
"""
    root = Path(__file__).parents[2]
    run = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=root)
    assert run.stdout is not None
    assert run.stdout.readline() == b"started\n"
    pid = int(until(lambda: (tmp_path / "thing.log").read_text().strip(), 10, "its process id"))
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    until(lambda: not _alive(pid), 10, "the end of what it started")
