"""Runs a command for as long as standard input stays open: whoever holds the other end may die as it likes.

    python -m replay.demo.leash COMMAND [ARGUMENT...]

The command gets SIGTERM when the input ends, and is killed if it does not follow. The exit code is the command's.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

PATIENCE_SECONDS = 2.0


def hold(command: Sequence[str]) -> int:
    """Run the command; its exit code, as a shell tells it."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - it is ours
    threading.Thread(target=_follow, args=(process,), daemon=True).start()
    code = process.wait()
    return code if code >= 0 else 128 - code


def _follow(process: subprocess.Popen[bytes]) -> None:
    while os.read(0, 1):  # not sys.stdin: its lock would be held when this process ends
        pass
    process.terminate()
    try:
        process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM):  # the end of the input is the one way to stop it
        signal.signal(ignored, lambda *_: None)
    sys.exit(hold(sys.argv[1:]))
