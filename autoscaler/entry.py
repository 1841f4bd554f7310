"""The entry point of `outrider`: what must be set before anything else is imported.

Ctrl-C while the command line itself is imported ends it without a traceback.
"""

import os
import sys


def main() -> None:
    """As `autoscaler.cli.main`."""
    one_thread_each()
    try:
        from autoscaler import cli  # noqa: PLC0415 - 0.1 s
    except KeyboardInterrupt:
        sys.exit(130)
    cli.main()


def one_thread_each() -> None:
    """Leave linear algebra one thread in this process and in those it starts; call this before numpy is imported.

    Its threads wait by spinning, and our matrices are too small to gain: beside other load a fit took ten times as long.
    """
    for library in ("OPENBLAS", "OMP", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
