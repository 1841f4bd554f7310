"""The live controller under load: `python -m benchmarks.live --policies 200 --pods 1000 --seconds 30`. About 70 s a point.

Starts the real controller (`outrider run`) against an API server, vLLM pods and a KEDA that this benchmark serves in processes
of its own, and prints a line: what the controller and all that it started used, and how fast it was. The load generator's CPU
is counted apart. Arguments after `--` go to `outrider run`.
"""

import argparse
import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks import goals
from benchmarks.live.measure import ROOT, Measured, Point, measure

LONG = ((100, 500, 0.0), (200, 1000, 0.0), (500, 2000, 0.0), (1000, 5000, 0.0), (200, 1000, 7.0))
HEADINGS = (
    "policies x pods",
    "cores",
    "scrapes/s got/wanted",
    "coverage",
    "age of a sample p50/p99, s",
    "last decision of a tick late, s",
    "GetMetrics p50/p90/p99, ms",
    "all decided after, s",
    "memory, MB",
)


def main() -> None:
    ours, options = sys.argv[1:], list[str]()
    if "--" in ours:
        ours, options = ours[: ours.index("--")], ours[ours.index("--") + 1 :]
    parser = argparse.ArgumentParser(prog="benchmarks.live", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--policies", type=int, default=200)
    parser.add_argument("--pods", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long is measured")
    parser.add_argument("--history-days", type=float, default=0.0, help="of history to read from Prometheus")
    parser.add_argument("--interval-seconds", type=float, default=2.0, help="between two scrapes of a pod")
    parser.add_argument("--source", type=Path, default=ROOT, help="folder of the Outrider to measure")
    parser.add_argument("--log", type=Path, help="file to keep the controller's log in")
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each point")
    parser.add_argument("--long", action="store_true", help="measure at all the points that docs/scale.md has")
    given = parser.parse_args(ours)
    points = LONG if given.long else ((given.policies, given.pods, given.history_days),)
    if not given.json:
        print(f"| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}", flush=True)
    every = []
    for policies, pods, days in points:
        source, interval_seconds = given.source.resolve(), given.interval_seconds
        point = Point(policies, pods, given.seconds, days, interval_seconds, source, given.log, tuple(options))
        every.append(found := asyncio.run(measure(point)))
        print(json.dumps(asdict(found)) if given.json else f"| {' | '.join(row(found))} |", flush=True)
    if not given.json:
        for found in every:
            beside_goals(found)


def row(found: Measured) -> tuple[str, ...]:
    """The cells under `HEADINGS`."""
    late = shown(found.late_seconds, ".1f")
    if found.decisions < found.decisions_wanted:
        late += f" ({found.decisions} of {found.decisions_wanted} made)"
    waits = (found.metrics_p50_ms, found.metrics_p90_ms, found.metrics_p99_ms)
    waited = "/".join(shown(each, ".1f") for each in waits)
    if found.metrics_unanswered:
        waited += f" ({found.metrics_unanswered} of {found.metrics_calls} unanswered)"
    decided = shown(found.decided_after_seconds, ".0f")
    if found.history_days:
        scaler, histories = shown(found.scaler_after_seconds, ".1f"), shown(found.history_after_seconds, ".0f")
        decided += f" (scaler {scaler}, histories {histories})"
    return (
        name(found),
        f"{found.cores:.2f}",
        f"{found.scrapes_got:.0f}/{found.scrapes_wanted:.0f}",
        shown(found.coverage, ".3f"),
        f"{shown(found.age_p50_seconds, '.1f')}/{shown(found.age_p99_seconds, '.1f')}",
        late,
        waited,
        decided,
        f"{found.resident_mb:.0f} ({found.proportional_mb:.0f} of its own)",
    )


def name(found: Measured) -> str:
    """A point as the tables name it."""
    history = f", {found.history_days:g} d of history" if found.history_days else ""
    return f"{found.policies:,} x {found.pods:,}{history}"


def beside_goals(found: Measured) -> None:
    """Print the goals of a point that has some, and what the load generator used."""
    figures = {
        "cores": found.cores,
        "coverage": found.coverage,
        "age of a sample p99, s": found.age_p99_seconds,
        "last decision of a tick late, s": found.late_seconds,
        "GetMetrics p50, ms": found.metrics_p50_ms,
        "GetMetrics p99, ms": found.metrics_p99_ms,
        "scaler answers after, s": found.scaler_after_seconds,
        "histories read after, s": found.history_after_seconds,
        "memory, MB": found.resident_mb,
    }
    section = f"live {name(found)}"
    if wanted := goals.of(section):
        generator = f"the load generator used {found.generator_cores:.2f} cores more"
        goals.show(section, {figure: figures[figure] for figure in wanted}, f"{section}; {generator}")


def shown(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


if __name__ == "__main__":
    main()
