"""What a replay of one policy and a back-test take: `python -m benchmarks.replay`. About 30 s; with --long, minutes.

CPU seconds and the most memory of a process of its own, from the scenario on: imports and compilation are not counted. The
traffic is the shipped sample's, multiplied.
"""

import contextlib
import ctypes
import json
import os
import resource
import subprocess
import sys
import time

from benchmarks import goals
from benchmarks.startup import OUTRIDER, children_cpu_seconds

DAY_SECONDS = 86_400.0
PR_SET_CHILD_SUBREAPER = 36  # of Linux
DAY, FOUR_DAYS = (1.0, 19.0), (4.0, 23.0)  # days and scale: 4.5 and 16 M requests


def play(days: float, scale: float) -> None:
    """Play one policy, and print its figures."""
    from crds.kinds import SCALING_POLICY
    from crds.v1alpha1.resource import API_VERSION
    from crds.workload import Workload
    from replay.contenders.registry import CONTENDERS
    from replay.scenario.build import build
    from replay.scenario.hardware import hardware_of
    from replay.tournament import play as tournament
    from replay.traces.samples import sample

    workload = SCALING_POLICY.resolve(
        {
            "apiVersion": API_VERSION,
            "kind": SCALING_POLICY.name,
            "metadata": {"namespace": "bench", "name": "replay", "uid": "replay"},
            "spec": {"target": {"name": "replay"}, "maxReplicas": 400},
        }
    )
    assert isinstance(workload, Workload)
    hardware = hardware_of(workload)

    def run(seconds: float, scale: float) -> int:
        trace = sample("office-morning").trace
        scenario = build(trace, scale=scale, start_seconds=2 * DAY_SECONDS, duration_seconds=seconds, hardware=hardware)
        tournament(scenario, workload, contenders=CONTENDERS[:1])
        return len(scenario.requests)

    run(600.0, 1.0)  # compiles
    before = time.process_time()
    requests = run(days * DAY_SECONDS, scale)
    used = time.process_time() - before
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000.0
    print(json.dumps({"requests": requests, "cpu_seconds": used, "megabytes": megabytes}))


def apart(days: float, scale: float) -> dict[str, float]:
    """The figures of `play` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.replay", "--play", str(days), str(scale)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def backtest_cpu_seconds() -> float:
    """Of all its processes, those included that it does not wait for: they become ours when it ends."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before = children_cpu_seconds()
    subprocess.run([OUTRIDER, "backtest", "sample:office-morning"], check=True, stdout=subprocess.DEVNULL)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    return children_cpu_seconds() - before


def main() -> None:
    if sys.argv[1:2] == ["--play"]:
        play(float(sys.argv[2]), float(sys.argv[3]))
        return
    day = apart(*DAY)
    figures = {
        "backtest of the sample, CPU s": backtest_cpu_seconds(),
        "a day, 4.5 M requests, CPU s": day["cpu_seconds"],
        "a day, 4.5 M requests, MB": day["megabytes"],
    }
    if "--long" in sys.argv[1:]:
        days = apart(*FOUR_DAYS)
        figures["four days, 16 M requests, CPU s"] = days["cpu_seconds"]
        figures["four days, 16 M requests, MB"] = days["megabytes"]
    goals.show("replay", figures, "Replay of one policy, and back-test")


if __name__ == "__main__":
    main()
