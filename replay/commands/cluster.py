"""What `outrider replay` does with a scenario file: several workloads on one cluster."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from replay.cluster_run import ClusterOutcome
    from replay.cluster_tournament import ClusterProgress, ClusterRun, ClusterStandings


def replay(name: str, *, seed: int | None, jobs: int, as_json: bool, progress: "ClusterProgress") -> None:
    """Play a scenario with its contenders, and print how they did. Raises ScenarioFileError and ValueError."""
    from replay import cluster_tournament
    from replay.cluster_contenders import Contending, Played
    from replay.scenario.assemble import cluster
    from replay.scenario.files import load

    file = load(name)
    workloads = {part.stated.name: part.workload for part in file.parts}
    played = Played(cluster(file, seed), workloads, file.pool)
    contenders = [
        (Contending(each.name, each.standby, each.pre_pull, each.pool), each.value) for each in file.spec.contenders
    ]
    plays = cluster_tournament.here if jobs == 1 else _beside(jobs)
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


def _beside(
    jobs: int,
) -> "Callable[[Sequence[ClusterRun], Callable[[ClusterRun, float], None]], Iterator[tuple[int, ClusterOutcome]]]":
    """Plays several at a time, in processes of their own."""

    def play(
        runs: "Sequence[ClusterRun]", _progress: "Callable[[ClusterRun, float], None]", /
    ) -> "Iterator[tuple[int, ClusterOutcome]]":
        import joblib

        parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
        yield from parallel(joblib.delayed(_numbered)(place, each) for place, each in enumerate(runs))

    return play


def _numbered(place: int, run: "ClusterRun") -> "tuple[int, ClusterOutcome]":
    return place, run.play()
