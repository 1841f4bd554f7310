"""The standings as one JSON document. `VERSION` goes up when a name goes or changes its meaning."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crds.workload import Workload
from policies.codec import plain
from replay.driver import Outcome
from replay.optimum import Optimum
from replay.report.assertions import Checked
from replay.report.series import demand, edges, means
from replay.report.verdict import verdicts
from replay.scenario.scenario import Scenario
from replay.tournament import Row, Standings

VERSION = 3
STEPS = 120  # of the series


def document(standings: Standings, *, policy_source: str, assertions: Sequence[Checked] = ()) -> dict[str, Any]:
    """Plain JSON values; what is infinite (the p99 wait where more than 1 % failed) is null. Times are in seconds."""
    return {
        "version": VERSION,
        **played(standings.scenario, standings.workload, policy_source),
        "contenders": [_row(row, standings) for row in standings.rows],
        "clairvoyant": optimum(standings.clairvoyant),
        "tuning": [
            {
                "contender": contender.key,
                "knob": knob.name,
                "unit": knob.unit,
                "tried": [{"knob_value": each.value, **figures(each.outcome)} for each in sweep.tried],
            }
            for contender, knob, sweep in standings.tunings
        ],
        "verdicts": [
            {"against": each.against.key, "better": each.better, "equal": each.equal, "worse": each.worse}
            for each in verdicts(standings)
        ],
        "assertions": [each.document for each in assertions],
        "series": _series(standings),
    }


def played(scenario: Scenario, workload: Workload, policy_source: str) -> dict[str, Any]:
    """The traffic, the hardware and the policy."""
    past = scenario.past
    return {
        "scenario": {
            "name": scenario.name,
            "start_seconds": scenario.start_seconds,
            "duration_seconds": scenario.duration_seconds,
            "requests": len(scenario.requests),
            "trace_failed_requests": scenario.failed_requests,
            "prompt_tokens": int(scenario.requests.prompt_tokens.sum()),
            "output_tokens": int(scenario.requests.output_tokens.sum()),
            "past_seconds": 0.0 if past is None else past.step_seconds * len(past.requests),
            "seed": scenario.seed,
            "initial_replicas": scenario.initial_replicas,
        },
        "hardware": asdict(scenario.hardware),
        "policy": {
            "source": policy_source,
            **plain(workload.policy),
            "cold_start": plain(workload.cold_start),
            "schedules": len(workload.schedules),
        },
    }


def _row(row: Row, standings: Standings) -> dict[str, Any]:
    """`kind` is the row's key: the contender, and which pick of its sweep."""
    named = {"kind": row.key, "contender": row.contender.key, "pick": row.pick, "knob_value": row.knob_value}
    return named | figures(row.outcome) | multiple(standings.clairvoyant, row.outcome)


def optimum(found: Optimum | None) -> dict[str, Any] | None:
    """The clairvoyant's cheapest schedule, an upper bound of the optimum; null where no schedule attains the SLO."""
    return None if found is None else {"plan": found.plan.key, **figures(found.outcome)}


def multiple(found: Optimum | None, outcome: Outcome) -> dict[str, float | None]:
    """The cost as a multiple of the clairvoyant's; null where there is none."""
    return {"cost_per_clairvoyant": None if found is None else found.ratio(outcome)}


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


def _series(standings: Standings) -> dict[str, Any]:
    """Means over equal steps from the scenario's start. `starting` are pods that do not serve yet."""
    scenario = standings.scenario
    borders = edges(scenario, STEPS)
    fleets = []
    for row in standings.rows:
        line = row.outcome.score.timeline
        counts = {"ready": line.ready_replicas, "starting": line.starting_replicas, "nodes": line.nodes}
        drawn = {name: _rounded(means(line.seconds, values, borders)) for name, values in counts.items()}
        fleets.append({"kind": row.key, **drawn})
    return {
        "step_seconds": scenario.duration_seconds / STEPS,
        "demand_replicas": _rounded(demand(scenario, STEPS)),
        "fleets": fleets,
    }


def _rounded(values: NDArray[np.float64]) -> list[float]:
    return [round(value, 3) for value in values.tolist()]


def _finite(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) else None
