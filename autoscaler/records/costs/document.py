"""Costs as one JSON document. docs/cost.md describes its keys; `version` rises where one changes its meaning or goes."""

from typing import Any

from autoscaler.records.costs.collect import Costs
from autoscaler.records.costs.rows import Row, merged
from crds.notation.timestamps import timestamp
from policies.account import HOUR_SECONDS

VERSION = 1


def document(costs: Costs) -> dict[str, Any]:
    """Plain data, ready for JSON. Unknown is null."""
    rows = costs.rows()
    total = next(iter(merged(rows, ())), Row())
    return {
        "version": VERSION,
        "time_zone": str(costs.zone),
        "from": None if costs.first_seconds is None else timestamp(costs.first_seconds),
        "to": None if costs.last_seconds is None else timestamp(costs.last_seconds),
        "unseen_seconds": costs.unseen_seconds,
        "uncounted_gaps": costs.uncounted_gaps,
        "workloads": [_workload(row) for row in rows if row.workload],
        "pools": [_pool(row) for row in rows if not row.workload],
        "total": _figures(total),
    }


def _workload(row: Row) -> dict[str, Any]:
    usage = row.usage
    return {
        "day": row.day,
        "workload": row.workload,
        "owner": row.owner or None,
        "pool": row.pool or None,
        **_figures(row),
        "serving_gpu_hours": usage.serving / HOUR_SECONDS,
        "starting_gpu_hours": (usage.starting - row.prepared) / HOUR_SECONDS,
        "prepared_gpu_hours": row.prepared / HOUR_SECONDS,
        "standby_used_gpu_hours": row.standby_hours,
    }


def _pool(row: Row) -> dict[str, Any]:
    return {
        "day": row.day,
        "pool": row.pool,
        "owner": row.owner or None,
        "standby_open_gpu_hours": row.standby_hours,
        "standby_wasted_gpu_hours": row.usage.wasted / HOUR_SECONDS,
        "idle_gpu_hours": row.usage.idle / HOUR_SECONDS,
        "usd": row.usage.usd,
    }


def _figures(row: Row) -> dict[str, Any]:
    requested = row.requested_hours
    return {
        "requested_gpu_hours": requested,
        "used_gpu_hours": row.used_hours,
        "used_share": row.used_hours / requested if requested > 0.0 else None,
        "usd": row.usage.usd,
    }
