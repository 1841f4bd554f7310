"""Plays six models on one pool, with Outrider and with a tuned HPA for each model: what sharing is worth.

    python -m benchmarks.pool [--quick] [--contender KEY] [--processes N] [--finished] [--json]

All of it takes some 100 minutes of CPU time. Each finished run is kept, so an interrupted benchmark goes on where it stopped.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from statistics import fmean
from typing import Any

import joblib
from rich.console import Console
from rich.table import Table

from autoscaler.entry import one_thread_each
from benchmarks.pool_cases import SIX, Case, missing
from benchmarks.pool_jobs import Job, Result, load, played_and_kept
from replay.cluster_contenders import Contending
from replay.cluster_tournament import MACRO, WORST

SEEDS = (0, 1, 2, 3, 4)
TARGETS = (0.6, 0.65, 0.7, 0.72, 0.74, 0.75, 0.76, 0.77, 0.775, 0.78, 0.8, 0.85, 0.86)
STANDBY = 8
DAY = Case()
QUICK = Case("six models, 3 hours", start_hours=12.0, hours=3.0)
ALONE = Contending("outrider", 0)
OURS = Contending("outrider", STANDBY)
FETCHED = Contending("outrider", STANDBY, pre_pull=True)
HPA = Contending("token_rate")
HPAS = (HPA, Contending("token_rate", 2), Contending("token_rate", pre_pull=True))
LIMIT, FLOODING = 96, 16
CALM = Case("no flood", start_hours=8.0, hours=4.0, limit_gpus=LIMIT, flooding_gpus=FLOODING)
FLOOD = replace(CALM, name="flood", flood=10.0, flooded=(1.5, 1.0))
STOCK_OUT = Case("stock-out", start_hours=6.0, hours=5.0, offerings=("spot", "on-demand"), outage=(1.0, 2.0))
Known = Mapping[Job, Result]


def wanted(known: Known, day: Case, seeds: Sequence[int]) -> Iterator[Job]:
    """Every run; those that depend on a tuned value once it is known."""
    for hpa in HPAS:
        yield from (Job(day, seed, hpa, target) for seed in seeds for target in TARGETS)
    for ours in (FETCHED, OURS, ALONE):
        yield from (Job(day, seed, ours) for seed in seeds)
    for hpa in HPAS:
        target = tuned(known, hpa, day, seeds)
        if target is not None:
            yield from (Job(day, seed, hpa, target) for seed in seeds)
    target = tuned(known, HPA, day, seeds)
    for case in (CALM, FLOOD, STOCK_OUT):
        yield from (Job(case, 0, ours) for ours in (OURS, ALONE))
        if target is not None:
            yield Job(case, 0, HPA, target)


def tuned(known: Known, hpa: Contending, day: Case, seeds: Sequence[int]) -> float | None:
    """The one target with which it attains enough at the fewest GPU-hours, by the means of the seeds; None: not known."""
    able = []
    for target in TARGETS:
        found = [known.get(Job(day, seed, hpa, target)) for seed in seeds]
        results = [each for each in found if each is not None]
        if len(results) < len(found):
            return None
        if fmean(it.macro for it in results) >= MACRO and fmean(it.worst for it in results) >= WORST:
            able.append((fmean(it.gpu_hours for it in results), target))
    return min(able)[1] if able else TARGETS[0]


def until_known(day: Case, seeds: Sequence[int], processes: int, only: str = "") -> dict[Job, Result]:
    """Play whatever is missing until nothing is, or only the runs of the contenders whose name in --json contains `only`."""
    known: dict[Job, Result] = {}
    while True:
        jobs = [
            job
            for job in dict.fromkeys(wanted(known, day, seeds))
            if job not in known and only in job.contending.identity
        ]
        if not jobs:
            return known
        parallel = joblib.Parallel(n_jobs=processes, return_as="generator_unordered")
        for done, (job, result) in enumerate(parallel(joblib.delayed(played_and_kept)(job) for job in jobs), 1):
            known[job] = result
            said = f"{result.gpu_hours:.1f} GPU-hours, mean {result.macro:.4f}, worst {result.worst:.4f}"
            print(f"{done}/{len(jobs)} {job}: {said}, {result.cpu_seconds:.0f} s", file=sys.stderr, flush=True)


def finished(day: Case, seeds: Sequence[int]) -> dict[Job, Result]:
    """What has been played."""
    known: dict[Job, Result] = {}
    for _ in range(2):
        known |= {job: it for job in wanted(known, day, seeds) if (it := load(job)) is not None}
    return known


def rows(known: Known, day: Case, seeds: Sequence[int]) -> Iterator[tuple[str, list[Result]]]:
    """Each contender on the day, with its runs by seed."""
    chosen: Iterable[tuple[Contending, float | None]] = [
        *((ours, None) for ours in (OURS, ALONE, FETCHED)),
        *((hpa, tuned(known, hpa, day, seeds)) for hpa in HPAS),
    ]
    for contending, value in chosen:
        found = [known[job] for seed in seeds if (job := Job(day, seed, contending, value)) in known]
        if found:
            yield contending.name if value is None else f"{contending.name} at {value:g}", found


def show(known: Known, day: Case, seeds: Sequence[int]) -> None:
    """Print the figures."""
    console = Console(width=140)
    table = Table("contender", "GPU-hours", "/ HPA", "mean", "worst", "standby", "wasted", "taken", "switches", "seeds")
    found = dict(rows(known, day, seeds))
    hpa = next((results for name, results in found.items() if name.startswith("HPA on token rate at")), [])
    for name, results in found.items():
        hours = fmean(it.gpu_hours for it in results)
        ratio = f"{hours / fmean(it.gpu_hours for it in hpa[: len(results)]):.3f}" if hpa else ""
        table.add_row(
            name,
            f"{hours:.1f}",
            ratio,
            f"{fmean(it.macro for it in results):.4f}, least {min(it.macro for it in results):.4f}",
            f"{fmean(it.worst for it in results):.4f}, least {min(it.worst for it in results):.4f}",
            *(
                f"{fmean(getattr(it, field) for it in results):.1f}"
                for field in ("standby_gpu_hours", "standby_wasted_gpu_hours", "standby_taken", "switches")
            ),
            str(len(results)),
        )
    console.print(table)
    for case in (CALM, FLOOD, STOCK_OUT):
        table = Table(case.name, "GPU-hours", "cost", "late", "fallback", *(model.name for model in SIX))
        for job, result in known.items():
            if job.case == case:
                late = sum(each.late for each in result.models.values())
                came = "" if result.fallback_seconds is None else f"{result.fallback_seconds:.0f} s"
                shares = (f"{result.models[model.name].attainment:.4f}" for model in SIX)
                value = "" if job.value is None else f" at {job.value:g}"
                name = f"{job.contending.name}{value}"
                table.add_row(name, f"{result.gpu_hours:.1f}", f"{result.cost:.0f}", str(late), came, *shares)
        console.print(table)


def document(known: Known) -> list[dict[str, Any]]:
    """Every run as JSON."""
    return [
        {
            "case": job.case.name,
            "seed": job.seed,
            "contender": job.contending.identity,
            "knob_value": job.value,
            **asdict(result),
        }
        for job, result in known.items()
    ]


def main() -> None:
    """Parse the arguments, and play."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pool", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="play three hours and one seed instead of days and five")
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="how many runs are played at once")
    parser.add_argument("--finished", action="store_true", help="play nothing: show what the finished runs come to")
    parser.add_argument("--json", action="store_true", help="print every run as JSON")
    parser.add_argument("--contender", metavar="KEY", default="", help="play only contenders whose name contains this")
    options = parser.parse_args()
    if absent := missing():
        print(
            f"no traces {', '.join(path.name for path in absent)} in {absent[0].parent}; set OUTRIDER_SHARED",
            file=sys.stderr,
        )
        sys.exit(2)
    one_thread_each()
    day, seeds = (QUICK, SEEDS[:1]) if options.quick else (DAY, SEEDS)
    known = finished(day, seeds) if options.finished else until_known(day, seeds, options.processes, options.contender)
    if options.json:
        print(json.dumps(document(known), indent=1))
    else:
        show(known, day, seeds)


if __name__ == "__main__":
    main()
