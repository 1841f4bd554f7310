"""Plays Outrider, its peers and the clairvoyant on real traffic, and writes docs/benchmark.md and docs/benchmark.json.

    python -m benchmarks.decisions [--quick] [--only TRAFFIC] [--contender KEY] [--json]

All of it takes some 40 minutes on two cores. Each finished run is kept, so an interrupted benchmark goes on where it stopped,
and after a change only what the change can move is played again.
"""

import argparse
import sys

from autoscaler.entry import one_thread_each


def main() -> None:
    """Parse the arguments, and play."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decisions", description=str(__doc__).partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="play hours instead of days, and compare with stored figures"
    )
    parser.add_argument(
        "--only", metavar="TRAFFIC", default="", help="play only traffic whose name contains this; writes no page"
    )
    parser.add_argument("--contender", metavar="KEY", default="", help="play only this contender; writes no page")
    parser.add_argument("--json", action="store_true", help="print every figure as JSON, and write no page")
    parser.add_argument("--finished", action="store_true", help="play nothing: show what the finished runs come to")
    parser.add_argument(
        "--processes", type=int, default=2, metavar="N", help="how many runs are played at once (default: 2)"
    )
    parser.add_argument(
        "--actuators", action="store_true", help="play what each actuator is worth, and store the figures for the page"
    )
    parser.add_argument(
        "--learning",
        action="store_true",
        help="play what learning cold starts is worth, and store the figures for the page",
    )
    parser.add_argument("--write-quick", action="store_true", help="store the figures of --quick as the expected ones")
    parser.add_argument(
        "--write-baseline",
        action="store_true",
        help="store Outrider's figures as those that later ones are compared with",
    )
    options = parser.parse_args()
    if options.processes < 1:
        parser.error(f"--processes must be 1 or more, not {options.processes}")
    one_thread_each()
    from benchmarks.decisions import command

    try:
        sys.exit(command.run(options))
    except KeyboardInterrupt:
        print(
            "interrupted: finished runs are kept, so the same command goes on where this one stopped", file=sys.stderr
        )
        sys.exit(130)


if __name__ == "__main__":
    main()
