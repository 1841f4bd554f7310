"""Reads the ScalingPolicy that the simulated cluster starts with."""

from pathlib import Path
from typing import Any

import yaml

from crds.notation.times import timestamp
from crds.resolve import resolve
from crds.workload import Workload
from replay.simcluster import objects
from replay.simcluster.resources import SCALING_POLICIES, Json


class PolicyError(Exception):
    """The file holds no policy that the simulated cluster can serve; the message says what to write instead."""


def read(path: Path, created_seconds: float) -> tuple[Json, Workload]:
    """The one ScalingPolicy of a YAML file, as the API server would hold it, and what it resolves to.

    `created_seconds` is the scenario time of its creation. Raises PolicyError.
    """
    try:
        documents = [document for document in yaml.safe_load_all(path.read_text()) if document is not None]
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PolicyError(f"{path}: cannot be read: {error}") from error
    policies = [d for d in documents if isinstance(d, dict) and d.get("kind") == SCALING_POLICIES.kind]
    if len(policies) != 1:
        raise PolicyError(
            f"{path}: holds {len(policies)} ScalingPolicy documents; the simulated cluster runs one service: give one"
        )
    stored = _stored(policies[0], created_seconds)
    workload = resolve(stored)
    if isinstance(workload, list):
        listed = "\n".join(f"  {p.path}: {p.value!r}: {p.why}; {p.instead}" for p in workload)
        raise PolicyError(f"{path}: the policy has {len(workload)} mistakes\n{listed}")
    if (workload.target.api_version, workload.target.kind) != ("apps/v1", "Deployment"):
        raise PolicyError(
            f"{path}: spec.target: the simulated cluster has Deployments only, not a {workload.target.kind}"
        )
    if workload.endpoint.scheme != "http":
        raise PolicyError(f"{path}: spec.metrics.scheme: the simulated pods speak http only")
    return stored, workload


def _stored(document: dict[str, Any], created_seconds: float) -> Json:
    given = document.get("metadata")
    metadata = dict(given) if isinstance(given, dict) else {}
    metadata.setdefault("namespace", "default")
    metadata.setdefault("uid", objects.uid("ScalingPolicy", metadata["namespace"], metadata.get("name")))
    metadata.setdefault("generation", 1)
    metadata.setdefault("creationTimestamp", timestamp(created_seconds))
    return {**document, "metadata": metadata}
