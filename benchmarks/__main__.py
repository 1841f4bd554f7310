"""All benchmarks, one after the other, each in a process of its own: `python -m benchmarks [NAME...]`. About 70 s."""

import json
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from autoscaler.entry import one_thread_each

ROOT = Path(__file__).parents[1]
NAMES = ("step", "help", "sim", "scaler", "neighbours")
SHOWN = ("scenario", "requests", "wall_seconds", "requests_per_second")
RECORDS = {"sim": 200_000}  # prints a line of JSON for each scenario; the aim of its last figure


def main() -> None:
    asked = sys.argv[1:] or list(NAMES)
    if unknown := [name for name in asked if name not in NAMES]:
        sys.exit(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    one_thread_each()
    console = Console()
    failed = []
    for name in asked:
        console.rule(f"[bold]{name}")
        command = [sys.executable, "-m", f"benchmarks.{name}"]
        done = subprocess.run(
            command, cwd=ROOT, check=False, text=True, stdout=subprocess.PIPE if name in RECORDS else None
        )
        if done.returncode:
            failed.append(name)
        elif name in RECORDS:
            console.print(tabled([json.loads(line) for line in done.stdout.splitlines()], RECORDS[name]))
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def tabled(records: list[dict[str, str | float]], aim: float) -> Table:
    """A row a record, the aim beside the last figure."""
    table = Table()
    for heading in (*SHOWN, "aim"):
        table.add_column(heading.replace("_", " "), justify="right", overflow="fold")
    for record in records:
        shown = [record[name] for name in SHOWN]
        cells = [value if isinstance(value, str) else f"{value:,}" for value in shown]
        table.add_row(*cells, f"over {aim:,}", style="red" if float(shown[-1]) < aim else None)
    return table


if __name__ == "__main__":
    main()
