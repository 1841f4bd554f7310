"""With real processes: the command ends when standard input does; signals to the wrapper do not end it."""

import os
import signal
import subprocess
import sys
from typing import IO

import pytest

FOR_EVER = "import signal; print(flush=True); signal.pause()"
IGNORES_SIGTERM = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {FOR_EVER}"


def _start(program: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "replay.demo.while_stdin_open", sys.executable, "-c", program]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)


def _lines(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdout is not None
    return process.stdout


def _input(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdin is not None
    return process.stdin


def test_the_exit_code_is_the_command_s() -> None:
    assert _start("raise SystemExit(7)").wait(10) == 7


def test_a_killed_command_has_the_exit_code_that_a_shell_reports() -> None:
    assert _start("import os, signal; os.kill(os.getpid(), signal.SIGKILL)").wait(10) == 128 + signal.SIGKILL


def test_the_command_ends_with_the_input() -> None:
    process = _start(FOR_EVER)
    _lines(process).readline()
    _input(process).close()
    assert process.wait(10) == 128 + signal.SIGTERM


@pytest.mark.slow
def test_a_command_that_ignores_sigterm_is_killed() -> None:
    """After the two seconds that the wrapper waits."""
    process = _start(IGNORES_SIGTERM)
    _lines(process).readline()
    _input(process).close()
    assert process.wait(10) == 128 + signal.SIGKILL


def test_signals_do_not_end_the_wrapper() -> None:
    process = _start(FOR_EVER)
    _lines(process).readline()
    for sent in (signal.SIGINT, signal.SIGTERM):
        os.kill(process.pid, sent)
    assert process.poll() is None
    _input(process).close()
    assert process.wait(10) == 128 + signal.SIGTERM
