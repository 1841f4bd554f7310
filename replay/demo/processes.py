"""Starts the simulated cluster and the live controller, each as a process of its own, and stops both whatever happens.

They talk over real protocols only. Each ends by itself when this process dies, since it waits on a pipe from here.
"""

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from replay.cluster_run import ClusterOutcome
from replay.demo import simulated
from replay.demo.logs import tail
from replay.demo.simulated import NotReady, Play
from replay.driver import Outcome
from replay.scenario.documents import Served
from replay.simcluster.lateness import INTERVAL_SECONDS

if TYPE_CHECKING:
    from replay.simcluster.serve import Endpoints

CONTROLLER_LOG = "controller.log"
DECISIONS = "decisions"
TIMEOUT_SECONDS = 180.0  # wall time; compiling the simulator for the first time takes 10 s on an idle machine
STOP_SECONDS = 2.5

Snapshot = dict[str, Any]  # of the cluster, as in /demo/state


class DiedError(Exception):
    """One of the two processes has ended too early; the message has the tail of its log."""


class SimulatedCluster:
    """The process of the simulated cluster, and its messages."""

    def __init__(self, play: Play) -> None:
        self._log = play.folder / simulated.LOG
        context = multiprocessing.get_context("spawn")
        self._link, theirs = context.Pipe()
        self._process = context.Process(target=simulated.serve, args=(play, theirs), name="simulated cluster")
        with _no_interrupts():
            self._process.start()
        theirs.close()

    def endpoints(self) -> "Endpoints":
        """Where everything listens: the first message. Raises DiedError if none arrives."""
        endpoints: Endpoints = self._receive()
        return endpoints

    def receive(self) -> Snapshot | Outcome | ClusterOutcome | NotReady:
        """The next frame, or the outcome at the end. Raises DiedError if nothing arrives."""
        message: Snapshot | Outcome | ClusterOutcome | NotReady = self._receive()
        return message

    def end(self) -> None:
        """Have it send the outcome so far as its next message but one."""
        with suppress(OSError):  # it is gone: `receive` says so
            self._link.send(None)

    def _receive(self) -> Any:  # noqa: ANN401 - any message
        try:
            if self._link.poll(TIMEOUT_SECONDS):
                return self._link.recv()
            why = f"sent nothing for {TIMEOUT_SECONDS:g} s"
        except (EOFError, ConnectionResetError):
            self._process.join(STOP_SECONDS)
            why = f"ended with exit code {self._process.exitcode}"
        raise DiedError(f"the simulated cluster {why}\n{tail(self._log)}")

    def stop(self) -> None:
        """Stop it; kill it if it does not end in time."""
        self._link.close()
        self._process.join(STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


class Controller:
    """The process of the live controller: `outrider run`, configured by environment variables."""

    def __init__(self, endpoints: "Endpoints", scaler_address: str, folder: Path, *, learns: bool) -> None:
        self._folder = folder
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("OUTRIDER_")},
            "OUTRIDER_KUBECONFIG": str(endpoints.kubeconfig_path),
            "OUTRIDER_PROMETHEUS_URL": endpoints.prometheus_url,
            "OUTRIDER_CLOCK_FILE": str(endpoints.clock_file),
            "OUTRIDER_SCRAPE_INTERVAL_SECONDS": repr(INTERVAL_SECONDS),
            "OUTRIDER_SCALER_BIND": scaler_address,
            "OUTRIDER_WEB_BIND": "127.0.0.1:0",
            "OUTRIDER_DECISION_LOG_DIR": str(folder / DECISIONS),
            "OUTRIDER_STATE_DIR": str(folder / "state"),
            "OUTRIDER_LEARN_COLD_STARTS": str(learns).lower(),
        }
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "replay.demo.while_stdin_open", sys.executable, "-m", "autoscaler.cli", "run"]
        with (self._folder / CONTROLLER_LOG).open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - the command is ours
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,  # so that Ctrl-C at a terminal reaches this process alone
            )

    def check(self) -> None:
        """Raise DiedError if it has ended."""
        code = self._process.poll()
        if code is not None:
            raise DiedError(f"the live controller ended with exit code {code}\n{tail(self._folder / CONTROLLER_LOG)}")

    def crash(self) -> None:
        """Kill it and everything it has started, as if its node were lost."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._close()

    def restart(self) -> None:
        """Start it again with the same folders."""
        self._process = self._start()

    def stop(self) -> None:
        """Stop it; kill it if it does not end in time."""
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
    """Both processes of one run, as a context. `outcome` is set once `frames` is exhausted.

    Without `learns`, the controller decides with the cold start of the policy.
    """

    def __init__(
        self,
        served: Served,
        *,
        speed: float,
        folder: Path,
        slowest_speed: float = simulated.SLOWEST_SPEED,
        learns: bool = True,
    ) -> None:
        address = f"127.0.0.1:{_free_port()}"
        self._play = Play(served, speed, address, folder, slowest_speed)
        self._learns = learns
        self.outcome: Outcome | ClusterOutcome | None = None
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
            raise RuntimeError("the controller has not been started")
        return self._controller

    def __enter__(self) -> Self:
        play = self._play
        try:
            self._cluster = SimulatedCluster(play)
            endpoints = self._cluster.endpoints()
            self._controller = Controller(endpoints, play.scaler_address, play.folder, learns=self._learns)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self._controller, self._cluster):
            if process is not None:
                process.stop()

    def end(self) -> None:
        """End the run where it is: `frames` ends soon, with the outcome so far."""
        if self._cluster is not None:
            self._cluster.end()

    def frames(self, *, watch_controller: bool = True) -> Iterator[Snapshot]:
        """Snapshots of the cluster, a few a second until the scenario is over.

        Raises DiedError if a process ends early; an early end of the controller is ignored without `watch_controller`.
        """
        while self._cluster is not None:
            message = self._cluster.receive()
            if isinstance(message, Outcome | ClusterOutcome):
                self.outcome = message
                return
            if isinstance(message, NotReady):
                why = f"the live controller was not ready to decide after {message.after_seconds:g} s"
                raise DiedError(f"{why}\n{tail(self._play.folder / CONTROLLER_LOG)}")
            if watch_controller:
                self.controller.check()
            yield message


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """A process that is started in this block never gets SIGINT: it ends when its link is closed."""
    resource_tracker.ensure_running()  # it comes with the first process and would lift the block
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
