"""Starts the simulated cluster and the live controller, each as a process of its own, and ends both whatever happens.

They meet on real protocols only. Each ends by itself when this process dies, since it holds the other end of a pipe.
"""

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from crds.files import PolicyDocument
from replay.demo import simulated
from replay.demo.logs import tail
from replay.demo.simulated import Play
from replay.driver import Outcome
from replay.scenario.scenario import Scenario

if TYPE_CHECKING:
    from replay.simcluster.serve import Endpoints

CONTROLLER_LOG = "controller.log"
DECISIONS = "decisions"
PATIENCE_SECONDS = 60.0  # wall; compiling the simulator for the first time takes 10
STOP_SECONDS = 2.5

Snapshot = dict[str, Any]  # of the cluster, as its /demo/state tells it


class DiedError(Exception):
    """One of the two processes has ended before its time; the message has the tail of its log."""


class SimulatedCluster:
    """The process of the simulated cluster, and what it tells."""

    def __init__(self, play: Play) -> None:
        self._log = play.folder / simulated.LOG
        context = multiprocessing.get_context("spawn")
        self._link, theirs = context.Pipe()
        self._process = context.Process(target=simulated.serve, args=(play, theirs), name="simulated cluster")
        with _no_interrupts():
            self._process.start()
        theirs.close()

    def endpoints(self) -> "Endpoints":
        """Where everything listens: its first message. Raises DiedError where none comes."""
        endpoints: Endpoints = self._receive()
        return endpoints

    def receive(self) -> Snapshot | Outcome:
        """The next frame, at last the outcome. Raises DiedError where none comes."""
        message: Snapshot | Outcome = self._receive()
        return message

    def _receive(self) -> Any:  # noqa: ANN401 - whatever was sent
        try:
            if self._link.poll(PATIENCE_SECONDS):
                return self._link.recv()
            why = f"has been silent for {PATIENCE_SECONDS:g} s"
        except (EOFError, ConnectionResetError):
            self._process.join(STOP_SECONDS)
            why = f"ended with exit code {self._process.exitcode}"
        raise DiedError(f"the simulated cluster {why}\n{tail(self._log)}")

    def stop(self) -> None:
        """End it."""
        self._link.close()
        self._process.join(STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


class Controller:
    """The process of the live controller: `outrider run`, told by its environment where its cluster is."""

    def __init__(self, endpoints: "Endpoints", speed: float, scaler_address: str, folder: Path) -> None:
        self._folder = folder
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("OUTRIDER_")},
            "OUTRIDER_KUBECONFIG": str(endpoints.kubeconfig_path),
            "OUTRIDER_PROMETHEUS_URL": endpoints.prometheus_url,
            "OUTRIDER_CLOCK_RATE": repr(speed),
            "OUTRIDER_CLOCK_SCENARIO_EPOCH_SECONDS": repr(endpoints.scenario_epoch_seconds),
            "OUTRIDER_CLOCK_WALL_EPOCH_SECONDS": repr(endpoints.wall_epoch_seconds),
            "OUTRIDER_SCALER_BIND": scaler_address,
            "OUTRIDER_WEB_BIND": "127.0.0.1:0",
            "OUTRIDER_DECISION_LOG_DIR": str(folder / DECISIONS),
            "OUTRIDER_STATE_DIR": str(folder / "state"),
        }
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "replay.demo.leash", sys.executable, "-m", "autoscaler.cli", "run"]
        with (self._folder / CONTROLLER_LOG).open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - it is ours
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,  # so that Ctrl-C at a terminal reaches this process alone
            )

    def check(self) -> None:
        """Raise DiedError where it does not run any more."""
        code = self._process.poll()
        if code is not None:
            raise DiedError(f"the live controller ended with exit code {code}\n{tail(self._folder / CONTROLLER_LOG)}")

    def crash(self) -> None:
        """Kill it as a lost node would, with everything it has started."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._close()

    def restart(self) -> None:
        """Start it again with the same folders, after it has ended."""
        self._process = self._start()

    def stop(self) -> None:
        """End it, softly first."""
        self._close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()


class Pair:
    """Both processes of one run; a context that ends them. `outcome` is there once `frames` is through."""

    def __init__(
        self, scenario: Scenario, policy: PolicyDocument, *, speed: float, queue_wait_seconds: float, folder: Path
    ) -> None:
        address = f"127.0.0.1:{_free_port()}"
        self._play = Play(scenario, policy, speed, queue_wait_seconds, address, folder)
        self.outcome: Outcome | None = None
        self._cluster: SimulatedCluster | None = None
        self._controller: Controller | None = None

    @property
    def decisions(self) -> Path:
        """The folder of the controller's decision log."""
        return self._play.folder / DECISIONS

    @property
    def controller(self) -> Controller:
        """The live controller's process, once both have started."""
        if self._controller is None:
            raise RuntimeError("the controller starts with `with`")
        return self._controller

    def __enter__(self) -> Self:
        play = self._play
        try:
            self._cluster = SimulatedCluster(play)
            self._controller = Controller(self._cluster.endpoints(), play.speed, play.scaler_address, play.folder)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self._controller, self._cluster):
            if process is not None:
                process.stop()

    def frames(self, *, watch_controller: bool = True) -> Iterator[Snapshot]:
        """What the cluster looks like, a few times a second until its scenario is over.

        Raises DiedError where a process ended early; the controller's end is let pass where it is not watched.
        """
        while self._cluster is not None:
            message = self._cluster.receive()
            if isinstance(message, Outcome):
                self.outcome = message
                return
            if watch_controller:
                self.controller.check()
            yield message


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """A process that is started in here never sees SIGINT: it ends by its link."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
