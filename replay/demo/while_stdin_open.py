"""Runs a command while standard input stays open, so that it ends when the process at the other end of the pipe does.

    python -m replay.demo.while_stdin_open COMMAND [ARGUMENT...]

The command gets SIGTERM when the input ends, and SIGKILL if it has not ended 2 s later. The exit code is the command's.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

PATIENCE_SECONDS = 2.0


def run_while_stdin_open(command: Sequence[str]) -> int:
    """Run the command; its exit code as a shell reports it, 128 + N where signal N ended it."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - the command is ours
    threading.Thread(target=_end_with_stdin, args=(process,), daemon=True).start()
    code = process.wait()
    return code if code >= 0 else 128 - code


def _end_with_stdin(process: subprocess.Popen[bytes]) -> None:
    while os.read(0, 1):  # not sys.stdin: its lock would be held when this process ends
        pass
    process.terminate()
    try:
        process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM):  # the end of the input is the only way to stop it
        signal.signal(ignored, lambda *_: None)
    sys.exit(run_while_stdin_open(sys.argv[1:]))
