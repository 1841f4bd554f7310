"""Plays what a benchmark needs, in processes of its own, and keeps each run as soon as it is done."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.decisions import clairvoyant, kept
from benchmarks.decisions.cases import TRAFFIC
from benchmarks.decisions.jobs import OURS, Job, Result, play
from crds.notation.units import DAY_SECONDS
from replay.commands.processes import Workers, WorkersError

Known = dict[Job, Result | None]
Attempt = tuple[Job, Result | None, str]  # why it failed, else empty


def until_known(wanted: Callable[[Known], Iterable[Job]], processes: int) -> tuple[Known, list[str]]:
    """Play until nothing is wanted any more. A run that failed is None, and a sentence says why."""
    known: Known = {}
    failures: list[str] = []
    console = Console(stderr=True)
    columns = TextColumn("{task.description:<40}"), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading finished runs", total=None)
        while missing := [job for job in wanted(known) if job not in known]:
            found = {job: result for job in missing if (result := kept.load(job))}
            known.update(found)
            left = [job for job in missing if job not in found]
            total = sum(map(expected_seconds, left))
            bar.update(task, total=total, completed=0.0)
            for place, (job, result, why) in enumerate(_attempts(left, processes)):
                known[job] = result
                if why:
                    failures.append(f"{job}: {why}")
                bar.update(task, advance=expected_seconds(job), description=f"{place + 1} of {len(left)} runs")
                if not console.is_terminal:
                    figures = why or (result and f"{result.gpu_hours:.2f} GPU-hours, {result.within_5s:.4%} within 5 s")
                    print(f"{place + 1}/{len(left)} {job}: {figures or 'nothing found'}", file=sys.stderr, flush=True)
    return known, failures


def finished(wanted: Callable[[Known], Iterable[Job]]) -> tuple[Known, list[str]]:
    """What has been played so far, and nothing more."""
    known: Known = {}
    while found := {job: result for job in wanted(known) if job not in known and (result := kept.load(job))}:
        known.update(found)
    return known, []


def expected_seconds(job: Job) -> float:
    """Roughly the CPU time of a run."""
    hours, millions = _size(job.case.traffic)
    if job.contender == OURS.key:
        return 0.3 + 0.24 * hours + 0.7 * millions
    return (18.0 if job.contender == clairvoyant.KEY else 1.0) * (0.1 + 0.4 * millions)


@cache
def _size(traffic: str) -> tuple[float, float]:
    """Hours, and millions of requests."""
    it = TRAFFIC[traffic]
    trace = it.trace()
    start_s = it.start_days * DAY_SECONDS
    end_s = trace.duration_seconds if it.days is None else start_s + it.days * DAY_SECONDS
    return (end_s - start_s) / 3600.0, it.scale * trace.count(start_s, end_s) / 1e6


def _attempts(jobs: Sequence[Job], processes: int) -> Iterator[Attempt]:
    """Runs of one case after the other, since a process keeps the traffic that it drew last; the longest first."""
    longest: dict[object, float] = {}
    for job in jobs:
        longest[job.case] = max(longest.get(job.case, 0.0), expected_seconds(job))
    left = sorted(jobs, key=lambda job: (-longest[job.case], job.case, -expected_seconds(job)))
    while left:
        try:
            for attempt in Workers("loky", processes).spread(_attempt, ((job, kept.path(job)) for job in left)):
                left.remove(attempt[0])
                yield attempt
        except WorkersError as error:  # one of those that were under way: each is given another try alone
            suspects, left = left[:processes], left[processes:]
            for job in suspects:
                yield from _alone(job, str(error))


def _alone(job: Job, why: str) -> Iterator[Attempt]:
    try:
        yield from list(
            Workers("loky", 2).spread(_attempt, [(job, kept.path(job))])
        )  # two, since one would be this process
    except WorkersError:
        yield job, None, why


def _attempt(job: Job, file: Path) -> Attempt:
    """In a process of its own."""
    try:
        result = play(job)
    except Exception as error:  # noqa: BLE001 - a run that fails does not end the others
        return job, None, f"{type(error).__name__}: {error}"
    if result is not None:
        kept.save(file, result)
    return job, result, ""
