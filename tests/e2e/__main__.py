"""A real cluster for daily work: `python -m tests.e2e up` keeps one until `python -m tests.e2e down`."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.e2e import build
from tests.e2e.components import cache, program
from tests.e2e.harness import Cluster
from tests.e2e.harness.process import DiedError

PATIENCE_SECONDS = 120.0
READY = "ready"  # holds the process id of the keeper


def main() -> int:
    """Read the command line and do it; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e", description=__doc__)
    default = Path(os.environ.get("OUTRIDER_E2E_CLUSTER", cache() / "cluster"))
    parser.add_argument("--folder", type=Path, default=default, help="where the cluster lives (default: %(default)s)")
    verbs = parser.add_subparsers(required=True, metavar="up|down|stay")
    for verb, text in (
        (up, "build what is missing, start a cluster, print its KUBECONFIG line and leave it running"),
        (down, "end it"),
        (stay, "run a cluster in the foreground until SIGTERM or Ctrl-C"),
    ):
        verbs.add_parser(verb.__name__, help=text).set_defaults(verb=verb)
    arguments = parser.parse_args()
    return arguments.verb(arguments.folder.absolute())


def up(folder: Path) -> int:
    """Start one that outlives this command."""
    if code := build.main():
        return code
    if _keeper(folder) is None:
        began = time.monotonic()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with (folder / "cluster.log").open("wb") as log:
            keeper = subprocess.Popen(
                [sys.executable, "-m", "tests.e2e", f"--folder={folder}", "stay"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        while not (folder / READY).exists():
            if keeper.poll() is not None or time.monotonic() - began > PATIENCE_SECONDS:
                print((folder / "cluster.log").read_text(), file=sys.stderr)
                return 1
            time.sleep(0.1)
        print(f"# ready in {time.monotonic() - began:.1f} s; logs in {folder}; make cluster-down ends it")
    print(f"# kubectl of the same version: {program('kubectl')}")
    print(f"export KUBECONFIG={folder / 'identity' / 'admin.kubeconfig'}")
    return 0


def down(folder: Path) -> int:
    """End the one that `up` left running."""
    keeper = _keeper(folder)
    if keeper is None:
        print(f"no cluster runs in {folder}", file=sys.stderr)
        return 0
    os.kill(keeper, signal.SIGTERM)
    while _keeper(folder) is not None:
        time.sleep(0.1)
    return 0


def stay(folder: Path) -> int:
    """Be its keeper: everything ends with this process, however it ends."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        with Cluster(folder) as cluster:
            (folder / READY).write_text(str(os.getpid()))
            while True:
                cluster.check()
                time.sleep(1.0)
    except (DiedError, TimeoutError) as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        (folder / READY).unlink(missing_ok=True)


def _keeper(folder: Path) -> int | None:
    """The process id of a running keeper."""
    try:
        keeper = int((folder / READY).read_text())
        os.kill(keeper, 0)
    except (OSError, ValueError):
        return None
    return keeper


if __name__ == "__main__":
    sys.exit(main())
