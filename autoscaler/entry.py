"""The entry point of `outrider`: Ctrl-C while the command line itself is imported ends it without a traceback."""

import sys


def main() -> None:
    """As `autoscaler.cli.main`."""
    try:
        from autoscaler import cli  # noqa: PLC0415 - 0.1 s
    except KeyboardInterrupt:
        sys.exit(130)
    cli.main()
