"""Cold starts as one JSON document. docs/start-times.md describes its keys; `version` rises where one changes its meaning or goes."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from autoscaler.records.coldstarts.analysis import Analysis
from autoscaler.records.coldstarts.overlap import pieces
from autoscaler.records.coldstarts.savings import Savings
from autoscaler.records.coldstarts.stages import StageTimes
from crds.notation.timestamps import timestamp
from policies.starts import Start

VERSION = 1


def document(found: Sequence[Analysis], last: int) -> dict[str, Any]:
    """Plain data, ready for JSON, with the `last` starts of each policy. Unknown is null."""
    return {"version": VERSION, "policies": [_policy(of, last) for of in found]}


def _policy(of: Analysis, last: int) -> dict[str, Any]:
    return {
        "policy": of.name,
        **of.summary.plain(),
        "stages": [_stage(each) for each in of.stages],
        "hidden": [asdict(each) for each in of.hidden],
        "savings": None if of.savings is None else _savings(of.savings),
        "last": [_start(start) for start in of.starts[-last:]],
    }


def _stage(of: StageTimes) -> dict[str, Any]:
    plain = asdict(of)
    plain["parts"] = [
        {"part": each.part, "path": each.path, "starts": each.starts, **asdict(each.times)} for each in of.parts
    ]
    return plain


def _savings(of: Savings) -> dict[str, Any]:
    return {
        "p50_seconds": of.p50_seconds,
        "p95_seconds": of.p95_seconds,
        "existing_node_p50_seconds": of.existing_node_p50_seconds,
        "replayed": None if of.today is None else asdict(of.today) | {"late_requests": of.today.late_requests},
        "changes": [
            {
                "change": each.change.name,
                "p50_seconds": each.p50_seconds,
                "saved_seconds": each.saved_seconds,
                "saved_gpu_hours": each.saved_gpu_hours,
                "avoided_late_requests": each.avoided_late_requests,
                "unknown": each.change.unknown or None,
            }
            for each in of.savings
        ],
    }


def _start(of: Start) -> dict[str, Any]:
    began = of.requested_seconds
    cut = list(pieces(of))
    return {
        "pod": of.pod,
        "node": of.node,
        "requested": timestamp(began),
        "serving_seconds": None if of.serving_seconds is None else of.serving_seconds - began,
        "parts": [
            {
                "part": span.part,
                "path": span.path,
                "begin_seconds": span.begin_seconds - began,
                "end_seconds": span.end_seconds - began,
                "hidden_seconds": sum(
                    piece.seconds for piece in cut if piece.span is span and piece.behind is not None
                ),
            }
            for span in of.spans
        ],
    }
