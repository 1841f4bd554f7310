"""The standings of a cluster as one JSON document. `VERSION` goes up when a name goes or changes its meaning."""

from dataclasses import asdict
from typing import Any

from policies.codec import plain
from replay.cluster_run import ClusterOutcome
from replay.cluster_tournament import ClusterRow, ClusterStandings
from replay.report.document import figures

VERSION = 1


def document(standings: ClusterStandings) -> dict[str, Any]:
    """Plain JSON values. Times are in seconds, shares from 0 to 1."""
    played = standings.played
    scenario = played.scenario
    return {
        "version": VERSION,
        "scenario": {
            "name": scenario.name,
            "start_seconds": scenario.start_seconds,
            "duration_seconds": scenario.duration_seconds,
            "seed": scenario.seed,
            "workloads": [
                {
                    "name": each.name,
                    "namespace": each.namespace,
                    "traffic": each.scenario.name,
                    "requests": len(each.scenario.requests),
                    "initial_replicas": each.scenario.initial_replicas,
                    "policy": plain(played.workloads[each.name].policy),
                    "hardware": asdict(each.scenario.hardware),
                }
                for each in scenario.workloads
            ],
            "offerings": [asdict(each) for each in scenario.offerings],
            "outages": [asdict(each) for each in scenario.outages],
        },
        "pool": None if played.pool is None else plain(played.pool.pool),
        "contenders": [_row(row) for row in standings.rows],
    }


def _row(row: ClusterRow) -> dict[str, Any]:
    contending = row.run.contending
    return {
        "kind": contending.identity,
        "contender": contending.key,
        "knob_value": row.run.value,
        "standby": contending.standby,
        "pre_pull": contending.pre_pull,
        "pool": contending.pool,
        "attains": row.attains,
        **of_pool(row.outcome),
        "workloads": {name: figures(each) for name, each in row.outcome.workloads.items()},
        "tried": [{"knob_value": value, **of_pool(outcome)} for value, outcome in row.tried],
    }


def of_pool(outcome: ClusterOutcome) -> dict[str, Any]:
    """The figures of the whole cluster."""
    score = outcome.score
    return {
        "gpu_hours": score.gpu_hours,
        "cost": score.cost,
        "macro_attainment": outcome.macro,
        "worst_attainment": outcome.worst,
        "refused": score.refused,
        "switches": score.switches,
        "standby_gpu_hours": score.standby_gpu_hours,
        "standby_wasted_gpu_hours": score.standby_wasted_gpu_hours,
        "standby_taken": score.standby_taken,
        "offerings": [asdict(each) for each in score.offerings],
    }
