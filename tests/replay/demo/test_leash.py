"""The leash with real processes: what it holds ends with its input, and with nothing else of ours."""

import os
import signal
import subprocess
import sys
from typing import IO

import pytest

FOR_EVER = "import signal; print(flush=True); signal.pause()"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {FOR_EVER}"


def _leashed(program: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "replay.demo.leash", sys.executable, "-c", program]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)


def _lines(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdout is not None
    return process.stdout


def _input(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdin is not None
    return process.stdin


def test_the_exit_code_is_the_command_s() -> None:
    assert _leashed("raise SystemExit(7)").wait(10) == 7


def test_a_command_that_was_killed_tells_as_a_shell_does() -> None:
    assert _leashed("import os, signal; os.kill(os.getpid(), signal.SIGKILL)").wait(10) == 128 + signal.SIGKILL


def test_it_ends_with_its_input() -> None:
    process = _leashed(FOR_EVER)
    _lines(process).readline()
    _input(process).close()
    assert process.wait(10) == 128 + signal.SIGTERM


@pytest.mark.slow
def test_one_that_does_not_listen_is_killed() -> None:
    """After the two seconds that the leash waits."""
    process = _leashed(DEAF)
    _lines(process).readline()
    _input(process).close()
    assert process.wait(10) == 128 + signal.SIGKILL


def test_signals_do_not_end_it() -> None:
    process = _leashed(FOR_EVER)
    _lines(process).readline()
    for sent in (signal.SIGINT, signal.SIGTERM):
        os.kill(process.pid, sent)
    assert process.poll() is None
    _input(process).close()
    assert process.wait(10) == 128 + signal.SIGTERM
