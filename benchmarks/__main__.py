"""All benchmarks, one after the other, each in a process of its own: `python -m benchmarks [--long] [NAME...]`. About 7 min.

With --long, the live controller is measured at all its points, and four days are replayed: minutes more each.
"""

import subprocess
import sys
from pathlib import Path

from rich.console import Console

from autoscaler.entry import one_thread_each

ROOT = Path(__file__).parents[1]
NAMES = ("step", "step_pools", "tick", "scrape", "neighbours", "startup", "kernel", "replay", "scaler", "live")
LONGER = ("replay", "live")  # those that take --long


def main() -> None:
    asked = [name for name in sys.argv[1:] if name != "--long"] or list(NAMES)
    is_long = "--long" in sys.argv[1:]
    if unknown := [name for name in asked if name not in NAMES]:
        sys.exit(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    one_thread_each()
    console = Console()
    failed = []
    for name in asked:
        console.rule(f"[bold]{name}")
        command = [sys.executable, "-m", f"benchmarks.{name}"] + ["--long"] * (is_long and name in LONGER)
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
