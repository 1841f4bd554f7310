"""All benchmarks, one after the other, each in a process of its own: `python -m benchmarks [NAME...]`. About 90 s."""

import subprocess
import sys
from pathlib import Path

from rich.console import Console

ROOT = Path(__file__).parents[1]
NAMES = ("step", "help", "sim", "scaler")


def main() -> None:
    asked = sys.argv[1:] or list(NAMES)
    if unknown := [name for name in asked if name not in NAMES]:
        sys.exit(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    console = Console()
    failed = []
    for name in asked:
        console.rule(f"[bold]{name}")
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=ROOT, check=False)
        if done.returncode:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
