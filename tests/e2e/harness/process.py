"""One component as a process with a log, which never outlives the process that started it."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from replay.demo.logs import tail

STOP_SECONDS = 5.0  # the wrapper kills after 2
TAIL_LINES = 25
PORTS = 15_000, 32_000  # Linux uses 32768 and above for outgoing connections


class DiedError(Exception):
    """A component has ended by itself; the message has the tail of its log."""


class Process:
    """A command that ends when this process does, kill -9 included: its wrapper sees the end of standard input."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        folder: Path,
        environment: Mapping[str, str] | None = None,
        files: Mapping[Path, str] | None = None,
    ) -> None:
        self.name = name
        self._files = files or {}
        self.log = folder / f"{name}.log"
        self._command = [str(part) for part in command]
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def died(self) -> bool:
        """Whether it has ended without being stopped."""
        return self._process is not None and self._process.poll() is not None

    def start(self) -> None:
        """Write its files and start it."""
        for path, text in self._files.items():
            path.write_text(text)
        wrapper = [sys.executable, "-m", "replay.demo.while_stdin_open"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*wrapper, *self._command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,  # Ctrl-C reaches the test run alone
            )

    def check(self) -> None:
        """Raise DiedError if it has ended without being stopped."""
        if self._process is not None and (code := self._process.poll()) is not None:
            raise DiedError(f"{self.name} ended with exit code {code}\n{self.tail()}")

    def begin_stop(self) -> None:
        """Ask it to end; `stop` waits until it has."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def stop(self) -> None:
        """Stop it; kill it if it does not end in time."""
        if self._process is None:
            return
        self.begin_stop()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """Kill it and everything it has started, as if its node were lost."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.begin_stop()
        self._process = None

    def restart(self) -> None:
        """Stop and start it."""
        self.stop()
        self.start()

    def tail(self) -> str:
        """The end of its log, with the path of the whole."""
        return tail(self.log, TAIL_LINES)


def free_port() -> int:
    """A loopback port on which nothing listens.

    It is below the range of outgoing connections, which could take the port while its server is restarting.
    """
    while True:
        port = random.randrange(*PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
