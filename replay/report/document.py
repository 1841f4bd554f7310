"""A comparison as one JSON document. `VERSION` goes up when a name goes or changes its meaning."""

import math
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.codec import plain
from replay import frontier
from replay.driver import Outcome
from replay.report.series import demand, edges, means
from replay.report.verdict import verdicts
from replay.tournament import Comparison

VERSION = 1
STEPS = 120  # of the series


def document(comparison: Comparison, *, policy_source: str) -> dict[str, Any]:
    """Plain JSON values; what is infinite (the p99 wait where more than 1 % failed) is null. Times are in seconds."""
    scenario, workload = comparison.scenario, comparison.workload
    past = scenario.past
    return {
        "version": VERSION,
        "scenario": {
            "name": scenario.name,
            "start_seconds": scenario.start_seconds,
            "duration_seconds": scenario.duration_seconds,
            "requests": len(scenario.requests),
            "prompt_tokens": int(scenario.requests.prompt_tokens.sum()),
            "output_tokens": int(scenario.requests.output_tokens.sum()),
            "past_seconds": 0.0 if past is None else past.step_seconds * len(past.requests),
            "seed": scenario.seed,
            "initial_replicas": scenario.initial_replicas,
        },
        "hardware": asdict(scenario.hardware),
        "policy": {"source": policy_source, **plain(workload.policy), "schedules": len(workload.schedules)},
        "contenders": [
            {"kind": row.kind.value, "target_in_flight": row.target, **figures(row.outcome)} for row in comparison.rows
        ],
        "tuning": {
            "metric": "running + waiting",
            "shares_of_max_num_seqs": [frontier.LEAST_SHARE, frontier.MOST_SHARE],
            "tried": [{"target_in_flight": each.target, **figures(each.outcome)} for each in comparison.sweep],
        },
        "verdicts": [asdict(verdict) for verdict in verdicts(comparison)],
        "series": _series(comparison),
    }


def figures(outcome: Outcome) -> dict[str, Any]:
    """The figures of one run."""
    score = outcome.score
    return {
        "gpu_hours": score.gpu_hours,
        "cost": score.cost,
        "attainment": outcome.attainment,
        "share_within_1s": score.share_within_1s,
        "share_within_5s": score.share_within_5s,
        "p50_wait_seconds": _finite(score.p50_wait_seconds),
        "p99_wait_seconds": _finite(score.p99_wait_seconds),
        "p999_wait_seconds": _finite(score.p999_wait_seconds),
        "p99_first_token_seconds": _finite(score.p99_first_token_seconds),
        "cold_starts_met": score.cold_starts_met,
        "failed": score.failed,
        "unfinished": score.unfinished,
        "max_replicas": int(score.timeline.ready_replicas.max()),
        "max_prepared_nodes": int(score.timeline.balloons.max()),
        "pods_created": score.pods_created,
        "nodes_launched": score.nodes_launched,
    }


def _series(comparison: Comparison) -> dict[str, Any]:
    """Means over equal steps from the scenario's start. `starting` are pods that do not serve yet."""
    scenario = comparison.scenario
    borders = edges(scenario, STEPS)
    fleets = []
    for row in comparison.rows:
        line = row.outcome.score.timeline
        counts = {"ready": line.ready_replicas, "starting": line.starting_replicas, "nodes": line.nodes}
        drawn = {name: _rounded(means(line.seconds, values, borders)) for name, values in counts.items()}
        fleets.append({"kind": row.kind.value, **drawn})
    return {
        "step_seconds": scenario.duration_seconds / STEPS,
        "demand_replicas": _rounded(demand(scenario, STEPS)),
        "fleets": fleets,
    }


def _rounded(values: NDArray[np.float64]) -> list[float]:
    return [round(value, 3) for value in values.tolist()]


def _finite(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) else None
