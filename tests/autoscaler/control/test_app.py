"""The process as a whole: it starts, stops on SIGTERM, and reports what it cannot have."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.fake_api import write_kubeconfig


@contextmanager
def taken() -> Iterator[str]:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        yield f"127.0.0.1:{held.getsockname()[1]}"


def outrider_run(folder: Path, *options: str) -> subprocess.Popen[str]:
    """Against an API server that accepts connections and never answers."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("OUTRIDER_")}
    command = [sys.executable, "-m", "autoscaler.cli", "run", "--kubeconfig", str(folder / "kubeconfig")]
    return subprocess.Popen([*command, *options], env=own, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.slow
def test_a_port_that_is_taken_ends_it_with_one_sentence(tmp_path: Path) -> None:
    """The pages are served by then, and are stopped in order."""
    write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:9")
    with taken() as address:
        process = outrider_run(tmp_path, "--web-bind", "127.0.0.1:0", "--scaler-bind", address)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert address in said
    assert "set --scaler-bind to a free HOST:PORT" in said
    assert "Traceback" not in said
    assert "Address already in use" in said
    assert all(line.startswith(("{", "outrider run: ")) for line in said.splitlines()), "gRPC printed lines of its own"


def test_it_stops_on_sigterm_though_nothing_answers(tmp_path: Path) -> None:
    """Its start takes 1.5 s; it stays in the default run as the one test of the whole process."""
    with taken() as silent:
        write_kubeconfig(tmp_path / "kubeconfig", f"http://{silent}")
        options = ["--scaler-bind", "127.0.0.1:0", "--web-bind", "127.0.0.1:0", "--prometheus-url", f"http://{silent}"]
        process = outrider_run(tmp_path, *options, "--state-dir", str(tmp_path / "state"))
        assert process.stderr is not None
        assert any('"started"' in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in said
