"""How long a person waits for the three commands that are typed most: `python -m benchmarks.startup`. About 30 s.

The median of five runs after a first one, which compiles: the bytecode is kept, as it is wherever Python may write it.
"""

import os
import statistics
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
            "--help, s": ["--help"],
            "check FILE, s": ["check", str(policy)],
            "replay of the sample, s": ["replay", "sample:office-morning"],
        }
        took = {name: measure([OUTRIDER, *arguments], folder) for name, arguments in commands.items()}
        bare = measure([sys.executable, "-c", "pass"], folder)
    goals.show("startup", took, f"Wall seconds, median of {RUNS} runs; python -c pass takes {bare:.3f}")


def measure(command: list[str], folder: str) -> float:
    """Median seconds of the runs but the first."""
    settings = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = settings | {"PYTHONPYCACHEPREFIX": f"{folder}/bytecode"}
    took = []
    for _ in range(RUNS + 1):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        took.append(time.perf_counter() - began)
    return statistics.median(took[1:])


if __name__ == "__main__":
    main()
