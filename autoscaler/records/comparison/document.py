"""Comparisons as one JSON document. docs/shadow.md describes its keys; `version` rises where one changes its meaning or goes."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from autoscaler.records.coldstarts.summary import Summary
from autoscaler.records.comparison.compare import Comparison
from autoscaler.records.comparison.shortages import Shortage, Shortages
from crds.notation.timestamps import timestamp

VERSION = 1


def document(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Plain data, ready for JSON. Unknown is null."""
    return {"version": VERSION, "policies": [_policy(each) for each in comparisons]}


def _policy(of: Comparison) -> dict[str, Any]:
    last = of.last
    return {
        "policy": of.policy.name,
        "mode": of.mode.value,
        "from": None if of.start_seconds is None else timestamp(of.start_seconds),
        "to": None if last is None else timestamp(last.at_seconds),
        "decisions": of.decisions,
        "compared_seconds": of.compared_seconds,
        "gpus_per_replica": of.policy.gpus_per_replica,
        "price_per_gpu_hour": of.price,
        "lead_seconds": None
        if last is None
        else {"from_request": last.new_unit_seconds, "from_prepared_node": last.new_replica_seconds},
        "queue_beyond_slo_seconds": of.queue_seconds,
        "ran": asdict(of.ran),
        "outrider": asdict(of.outrider),
        "ran_shortages": _shortages(of.ran_short),
        "outrider_shortages": _shortages(of.outrider_short),
        "cold_starts": Summary.of(of.starts).plain(),
        "unknown": asdict(of.unknown),
        "series": _series(of),
    }


def _shortages(of: Shortages) -> dict[str, Any]:
    return {"count": of.count, "covered_by_outrider": of.covered, "worst": [_shortage(each) for each in of.worst()]}


def _shortage(of: Shortage) -> dict[str, Any]:
    worst = of.worst
    return {
        "start": timestamp(of.start_seconds),
        "seconds": of.lasts_seconds,
        "missing_replica_seconds": of.missing_replica_seconds,
        "demand_replicas": worst.demand,
        "ran_replicas": worst.ran,
        "outrider_replicas": worst.outrider,
        "outrider_short_seconds": of.outrider_short_seconds,
        "asked_ahead_seconds": of.asked_ahead_seconds,
    }


def _series(of: Comparison) -> dict[str, Any]:
    line = of.timeline
    means = {
        name: [series.mean(at, at + 1) for at in range(line.bins)]
        for name, series in (
            ("demand_replicas", line.demand),
            ("ran_replicas", line.ran),
            ("outrider_replicas", line.outrider),
        )
    }
    return {"bin_seconds": line.bin_seconds, **means}
