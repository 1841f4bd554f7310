"""How long a person waits for `outrider --help`: `python -m benchmarks.help`.

The median of five runs after a first one, which compiles: the bytecode is kept, as it is wherever Python may write it.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

AIM_SECONDS = 0.3
RUNS = 5
OUTRIDER = Path(sys.executable).with_name("outrider")


def main() -> None:
    table = Table(title=f"outrider --help: wall seconds of {RUNS} runs")
    for heading in ("command", "median", "slowest", "aim"):
        table.add_column(heading, justify="right")
    bare = measure([sys.executable, "-c", "pass"])
    ours = measure([str(OUTRIDER), "--help"])
    table.add_row("python -c pass", *figures(bare), "")
    late = statistics.median(ours) >= AIM_SECONDS
    table.add_row("outrider --help", *figures(ours), f"under {AIM_SECONDS:g}", style="red" if late else None)
    Console().print(table)


def measure(command: list[str]) -> list[float]:
    """Seconds of each run but the first."""
    took = []
    with tempfile.TemporaryDirectory() as bytecode:
        settings = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        for _ in range(RUNS + 1):
            began = time.perf_counter()
            environment = settings | {"PYTHONPYCACHEPREFIX": bytecode}
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
            took.append(time.perf_counter() - began)
    return took[1:]


def figures(took: list[float]) -> tuple[str, str]:
    return f"{statistics.median(took):.3f}", f"{max(took):.3f}"


if __name__ == "__main__":
    main()
