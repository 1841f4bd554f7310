"""How long a person waits for the three commands that are typed most: `python -m benchmarks.startup`. About 30 s.

The fastest of five runs after a first one, which compiles: the bytecode is kept, as it is wherever Python may write it.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import goals

RUNS = 5
OUTRIDER = str(Path(sys.executable).with_name("outrider"))
POLICY = """\
apiVersion: outrider.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: chat-vllm, namespace: llm}
spec:
  target: {name: chat-vllm}
  maxReplicas: 8
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        policy = Path(folder, "policy.yaml")
        policy.write_text(POLICY)
        commands = {
            "--help": ["--help"],
            "check FILE": ["check", str(policy)],
            "replay of the sample": ["replay", "sample:office-morning"],
        }
        figures = {}
        for name, arguments in commands.items():
            figures[f"{name}, s"], figures[f"{name}, CPU s"] = measure([OUTRIDER, *arguments], folder)
        bare, _ = measure([sys.executable, "-c", "pass"], folder)
    goals.show("startup", figures, f"The fastest of {RUNS} runs; python -c pass takes {bare:.3f} s")


def measure(command: list[str], folder: str) -> tuple[float, float]:
    """The fewest seconds, on the clock and of CPU, of the runs but the first."""
    settings = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = settings | {"PYTHONPYCACHEPREFIX": f"{folder}/bytecode"}
    took, used = [], []
    for _ in range(RUNS + 1):
        began, before = time.perf_counter(), children_cpu_seconds()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        took.append(time.perf_counter() - began)
        used.append(children_cpu_seconds() - before)
    return min(took[1:]), min(used[1:])


def children_cpu_seconds() -> float:
    """Of all processes that were waited for, and of theirs."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


if __name__ == "__main__":
    main()
