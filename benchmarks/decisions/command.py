"""What `python -m benchmarks.decisions` does once its arguments are read."""

import json
import sys
from argparse import Namespace
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.decisions import actuators, learning, plan, play, quick
from benchmarks.decisions.cases import MAIN, OWN, missing
from benchmarks.decisions.chart import chart
from benchmarks.decisions.figures import BEFORE, Figures
from benchmarks.decisions.jobs import OURS, Job
from benchmarks.decisions.page import page, rows

DOCS = Path(__file__).parents[2] / "docs"


def run(options: Namespace) -> int:
    """Play what is asked for, and give the exit code: 1 where a run failed or a goal is missed, 2 where a trace is absent."""
    if absent := missing():
        names = ", ".join(path.name for path in absent)
        print(
            f"no traces {names} in {absent[0].parent}; set OUTRIDER_SHARED to the folder that holds traces/",
            file=sys.stderr,
        )
        return 2

    def wanted(known: play.Known) -> Iterator[Job]:
        for job in plan.wanted(known):
            if options.only in job.case.traffic and options.contender in {"", job.contender}:
                yield job

    if options.actuators:
        return actuators.run(options.only)
    if options.learning:
        return learning.run(options.only)
    if options.quick or options.write_quick:
        return quick.run(options.processes, write=options.write_quick)
    known, failures = play.finished(wanted) if options.finished else play.until_known(wanted, options.processes)
    figures = Figures(known)
    if options.write_baseline:
        write_before(known)
        return 1 if failures else 0
    document = figures.document() | {"failures": failures}
    if options.json:
        print(json.dumps(document, indent=1))
    else:
        show(figures)
        print(used(known))
        if not options.only and not options.contender:
            (DOCS / "benchmark.json").write_text(json.dumps(document, indent=1) + "\n")
            (DOCS / "benchmark.md").write_text(page(figures, failures))
            (DOCS / "benchmark.svg").write_text(chart(figures))
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    return 1 if failures else 0


def show(figures: Figures) -> None:
    """Print each run by its means over the seeds, and the goals."""
    console = Console()
    for cold_start in (MAIN, OWN):
        table = Table(
            "traffic and contender", "within 1 s", "within 5 s", "GPU-hours", "cost", title=f"cold start: {cold_start}"
        )
        for row in rows(figures, cold_start):
            table.add_row(row[0].replace("*", ""), *row[1:])
        console.print(table)
    table = Table("figure", "goal", "value", "")
    for goal in figures.goals():
        mark = {True: "met", False: "missed", None: ""}[goal.met]
        table.add_row(goal.name, goal.goal, goal.value, mark, style="red" if goal.met is False else None)
    console.print(table)


def used(known: plan.Known) -> str:
    """The CPU time of all runs, those that were kept included."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for job, result in known.items():
        seconds[job.contender] += result.cpu_seconds if result else 0.0
    parts = ", ".join(f"{key} {value:,.0f}" for key, value in seconds.items())
    return f"{len(known):,} runs took {sum(seconds.values()):,.0f} CPU seconds: {parts}"


def write_before(known: plan.Known) -> None:
    """Keep Outrider's figures with its default setting, by case."""
    kept = {
        str(job.case): {"gpu_hours": result.gpu_hours, "within_1s": result.within_1s, "within_5s": result.within_5s}
        for job, result in known.items()
        if result is not None and job == Job(job.case, OURS.key)
    }
    BEFORE.write_text(json.dumps(kept, indent=1) + "\n")
