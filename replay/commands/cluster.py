"""What `outrider replay` does with a scenario file: several workloads on one cluster."""

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from replay.cluster_run import ClusterOutcome
    from replay.cluster_tournament import ClusterProgress, ClusterRun, ClusterStandings, Map
    from replay.commands.processes import Workers


def replay(name: str, *, seed: int | None, jobs: int | None, as_json: bool, progress: "ClusterProgress") -> None:
    """Play a scenario with its contenders, and print how they did. Without `jobs`, on all cores unless it is short.

    Raises ScenarioFileError, ValueError and WorkersError.
    """
    from replay import cluster_tournament
    from replay.cluster_contenders import Contending, Played
    from replay.commands.processes import FEW_REQUESTS, workers
    from replay.scenario.assemble import cluster
    from replay.scenario.files import load

    file = load(name)
    workloads = {part.stated.name: part.workload for part in file.parts}
    played = Played(cluster(file, seed), workloads, file.pool)
    contenders = [
        (Contending(each.name, each.standby, each.pre_pull, each.pool), each.value) for each in file.spec.contenders
    ]
    if jobs is None and sum(len(each.scenario.requests) for each in played.scenario.workloads) < FEW_REQUESTS:
        jobs = 1
    with workers(jobs=jobs) as others:
        plays = cluster_tournament.here if others.jobs == 1 else _beside(others)
        standings = cluster_tournament.play(played, contenders, plays=plays, progress=progress)
    _report(standings, file.spec.description, as_json=as_json)


def _report(standings: "ClusterStandings", description: str, *, as_json: bool) -> None:
    from rich.console import Console

    from replay.report import cluster_document, cluster_table

    if as_json:
        json.dump(cluster_document.document(standings), sys.stdout, indent=2, default=str)
        print()
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=120)
    cluster_table.show(console, standings, description)


def _beside(others: "Workers") -> "Map":
    """Plays several at a time, in processes of their own."""

    def play(
        runs: "Sequence[ClusterRun]", _progress: "Callable[[ClusterRun, float], None]", /
    ) -> "Iterator[tuple[int, ClusterOutcome]]":
        return others.spread(_numbered, enumerate(runs))

    return play


def _numbered(place: int, run: "ClusterRun") -> "tuple[int, ClusterOutcome]":
    return place, run.play()
