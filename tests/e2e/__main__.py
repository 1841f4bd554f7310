"""A real cluster for daily work: `python -m tests.e2e up` keeps one until `python -m tests.e2e down`.

Its keeper is a process that holds a lock in the cluster's folder while it runs, so that no other process is taken for it
and no second keeper starts.
"""

import argparse
import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.e2e import build
from tests.e2e.components import cache, program
from tests.e2e.harness import Cluster
from tests.e2e.harness.process import DiedError

LOCK, READY = "keeper", "ready"
PAUSE_SECONDS = 0.1
DOWN_SECONDS = 60.0  # then it is killed
LOOK_SECONDS = 1.0  # a process that only checks for a keeper holds the lock for a moment
TAKEN = 3  # exit code of a keeper that finds another


def main(command_line: Sequence[str] | None = None) -> int:
    """Read the command line (by default this process's own) and do it; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e", description=__doc__)
    default = Path(os.environ.get("OUTRIDER_E2E_CLUSTER", cache() / "cluster"))
    parser.add_argument("--folder", type=Path, default=default, help="folder of the cluster (default: %(default)s)")
    verbs = parser.add_subparsers(required=True, metavar="up|down|stay")
    for verb, text in (
        (up, "build what is missing, start a cluster, leave it running, and print the variables for a shell to eval"),
        (down, "stop it"),
        (stay, "run a cluster in the foreground until SIGTERM or Ctrl-C"),
    ):
        verbs.add_parser(verb.__name__, help=text).set_defaults(verb=verb)
    arguments = parser.parse_args(command_line)
    return int(arguments.verb(arguments.folder.absolute()))


def up(folder: Path) -> int:
    """Start a cluster that outlives this command."""
    if not _is_ours(folder):
        return 2
    if code := build.main():
        return code
    began = time.monotonic()
    if not (running := _keeper(folder)) and not _start(folder):
        return 1
    took = "already running" if running else f"ready in {time.monotonic() - began:.1f} s"
    print(f"{took}; logs in {folder}; `make cluster-down` stops it", file=sys.stderr)
    print(f"export KUBECONFIG={shlex.quote(str(folder / 'identity' / 'admin.kubeconfig'))}")
    print(f"export PATH={shlex.quote(str(program('kubectl').parent))}:$PATH")
    return 0


def down(folder: Path) -> int:
    """Stop the cluster that `up` left running."""
    if _keeper(folder) is None:
        print(f"no cluster runs in {folder}", file=sys.stderr)
    began = time.monotonic()
    asked = False
    while (keeper := _keeper(folder)) is not None:
        late = time.monotonic() - began > DOWN_SECONDS
        if late or not asked:
            os.kill(keeper, signal.SIGKILL if late else signal.SIGTERM)
            asked = True
        time.sleep(PAUSE_SECONDS)
    return 0


def stay(folder: Path) -> int:
    """Run the cluster in this process; all of it ends with this process, however that ends."""
    if not _is_ours(folder):
        return 2
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder, LOOK_SECONDS) as lock:
        if lock is None:
            print(f"another process already runs a cluster in {folder}", file=sys.stderr)
            return TAKEN
        _empty(folder)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        try:
            with Cluster(folder) as cluster:
                (folder / READY).touch()
                while True:
                    cluster.check()
                    time.sleep(1.0)
        except (DiedError, TimeoutError) as error:
            print(error, *getattr(error, "__notes__", ()), sep="\n", file=sys.stderr)
            return 1
        finally:
            (folder / READY).unlink(missing_ok=True)


def _start(folder: Path) -> bool:
    """Start a keeper and wait until its cluster, or that of an earlier keeper, is ready. If this fails, stop it."""
    with tempfile.TemporaryFile() as said:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e", f"--folder={folder}", "stay"],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            while not ((folder / READY).exists() and _keeper(folder)):
                if keeper.poll() is not None and not (keeper.returncode == TAKEN and _keeper(folder)):
                    said.seek(0)
                    sys.stderr.write(said.read().decode(errors="replace"))
                    return False
                time.sleep(PAUSE_SECONDS)
        except BaseException:
            keeper.terminate()
            raise
    return True


def _keeper(folder: Path) -> int | None:
    """The process id of the running keeper, or None."""
    if not (folder / LOCK).exists():
        return None
    with _locked(folder) as lock:
        return None if lock else int((folder / LOCK).read_text() or 0) or None


@contextmanager
def _locked(folder: Path, patience_seconds: float = 0.0) -> Iterator[IO[str] | None]:
    """The folder's lock, or None while a keeper holds it."""
    began = time.monotonic()
    with (folder / LOCK).open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() - began > patience_seconds:
                    yield None
                    return
                time.sleep(PAUSE_SECONDS)
            else:
                yield lock
                return


def _is_ours(folder: Path) -> bool:
    """Whether the folder is empty or a cluster's, since its content will be deleted."""
    if not folder.exists() or (folder.is_dir() and ((folder / LOCK).exists() or not any(folder.iterdir()))):
        return True
    print(f"{folder} is not empty and is no cluster of ours; choose an empty --folder", file=sys.stderr)
    return False


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


if __name__ == "__main__":
    sys.exit(main())
