"""Outrider alone on a few hours of each trace, beside stored figures: a guard against decisions that get worse. Some 20 s."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.decisions import play
from benchmarks.decisions.cases import QUICK, Case
from benchmarks.decisions.jobs import OURS, Job

EXPECTED = Path(__file__).with_name("quick.json")
JOBS = tuple(Job(Case(traffic.name), OURS.key) for traffic in QUICK)
DEARER = 1.03  # more than this, beside the stored cost, is worse
LATE = 0.001  # so many more requests over 5 s, as a share, are worse
TO_UPDATE = "where the change is meant, run make benchmark QUICK=1 BENCHMARK=--write-quick and commit benchmarks/decisions/quick.json"


@dataclass(frozen=True, slots=True)
class Beside:
    """What a window costs and attains, and what it did when the figures were stored."""

    traffic: str
    gpu_hours: float
    within_5s: float
    expected_gpu_hours: float
    expected_within_5s: float

    @property
    def cost(self) -> float:
        """As a multiple of the stored one."""
        return self.gpu_hours / self.expected_gpu_hours

    @property
    def is_worse(self) -> bool:
        """Dearer by more than 3 %, or more requests are late by more than one in a thousand."""
        return self.cost > DEARER or self.within_5s < self.expected_within_5s - LATE


def compare(found: Mapping[str, Mapping[str, float]], expected: Mapping[str, Mapping[str, float]]) -> Iterator[Beside]:
    """Each window, in the order in which it is listed. Raises KeyError for one without stored figures."""
    for traffic, now in found.items():
        then = expected[traffic]
        yield Beside(traffic, now["gpu_hours"], now["within_5s"], then["gpu_hours"], then["within_5s"])


def figures(processes: int) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Of every window that could be played, and why the others could not."""
    known, failures = play.until_known(lambda _known: JOBS, processes)
    played = ((job.case.traffic, known[job]) for job in JOBS)
    found = {
        traffic: {
            "gpu_hours": round(it.gpu_hours, 4),
            "within_1s": round(it.within_1s, 6),
            "within_5s": round(it.within_5s, 6),
        }
        for traffic, it in played
        if it is not None
    }
    return found, failures


def stored() -> dict[str, dict[str, float]]:
    """The figures to compare with."""
    found: dict[str, dict[str, float]] = json.loads(EXPECTED.read_text())
    return found


def run(processes: int, *, write: bool) -> int:
    """Play and print; 1 where a window is worse or a run failed."""
    found, failures = figures(processes)
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    if failures:
        return 1
    if write:
        EXPECTED.write_text(json.dumps(found, indent=1) + "\n")
        return 0
    expected = stored()
    if new := sorted(set(found) - set(expected)):
        print(f"no stored figures of {', '.join(new)}; {TO_UPDATE}", file=sys.stderr)
        return 1
    rows = list(compare(found, expected))
    table = Table("traffic", "GPU-hours", "beside stored", "within 5 s", "stored")
    for row in rows:
        cells = f"{row.gpu_hours:.2f}", f"{row.cost:.3f}", f"{row.within_5s:.2%}", f"{row.expected_within_5s:.2%}"
        table.add_row(row.traffic, *cells, style="red" if row.is_worse else None)
    Console().print(table)
    if any(row.is_worse for row in rows):
        print(f"decisions got worse; {TO_UPDATE}", file=sys.stderr)
        return 1
    return 0
