"""One component as a process of its own, with a log, that never outlives whoever started it."""

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

STOP_SECONDS = 5.0  # the leash kills after 2
TAIL_LINES = 25
PORTS = 15_000, 32_000  # Linux gives 32768 and above to outgoing connections


class DiedError(Exception):
    """A component has ended by itself; the message has the tail of its log."""


class Process:
    """A command on a leash: it ends when this process does, kill -9 included, since that closes the leash's input."""

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
        self._leash: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._leash is not None and self._leash.poll() is None

    @property
    def died(self) -> bool:
        """Whether it has ended though nobody stopped it."""
        return self._leash is not None and self._leash.poll() is not None

    def start(self) -> None:
        """Write the files that it reads, and start it."""
        for path, text in self._files.items():
            path.write_text(text)
        leash = [sys.executable, "-m", "replay.demo.leash"]
        with self.log.open("ab") as log:
            self._leash = subprocess.Popen(
                [*leash, *self._command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,  # Ctrl-C reaches the test run alone
            )

    def check(self) -> None:
        """Raise DiedError where it has ended, though nobody stopped it."""
        if self._leash is not None and (code := self._leash.poll()) is not None:
            raise DiedError(f"{self.name} ended with exit code {code}\n{self.tail()}")

    def let_go(self) -> None:
        """Ask it to end; `stop` waits for that."""
        if self._leash is not None and self._leash.stdin is not None:
            self._leash.stdin.close()

    def stop(self) -> None:
        """End it, softly first."""
        if self._leash is None:
            return
        self.let_go()
        try:
            self._leash.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._leash = None

    def kill(self) -> None:
        """End it as a lost node would, with everything that it has started."""
        if self._leash is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._leash.pid, signal.SIGKILL)
        self._leash.wait()
        self.let_go()
        self._leash = None

    def restart(self) -> None:
        """Stop and start it."""
        self.stop()
        self.start()

    def tail(self) -> str:
        """The end of its log, and where the whole of it is."""
        return tail(self.log, TAIL_LINES)


def free_port() -> int:
    """A port of loopback on which nobody listens.

    Below those that the kernel gives to outgoing connections: one of these could take it while its server is away.
    """
    while True:
        port = random.randrange(*PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
