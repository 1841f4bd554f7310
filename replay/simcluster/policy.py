"""The ScalingPolicy that the simulated cluster starts with."""

from dataclasses import replace

from crds.files import PolicyDocument, PolicyFileError
from crds.kinds import SCALING_POLICY
from crds.notation.timestamps import timestamp
from crds.structural import defaulted
from crds.workload import Workload
from replay.simcluster import objects
from replay.simcluster.resources import Json


def stored(policy: PolicyDocument, created_seconds: float) -> tuple[Json, Workload]:
    """The policy as the API server would hold it, and what it resolves to.

    `created_seconds` is the scenario time of its creation. Raises PolicyFileError for what the simulated cluster cannot run.
    """
    target, endpoint = policy.workload.target, policy.workload.endpoint
    if (target.api_version, target.kind) != ("apps/v1", "Deployment"):
        why = f"the simulated cluster has Deployments only, not {target.api_version} {target.kind}"
        raise PolicyFileError(f"{policy.where}: spec.target: {why}")
    if endpoint.scheme != "http":
        raise PolicyFileError(f"{policy.where}: spec.metrics.scheme: simulated pods serve http only")
    if len(endpoint.ports) > 1:
        raise PolicyFileError(f"{policy.where}: spec.metrics.ports: simulated pods have one port")
    if endpoint.pod_labels:
        raise PolicyFileError(
            f"{policy.where}: spec.metrics.podSelector: simulated pods all serve, and have no such labels"
        )
    namespace, name = policy.workload.namespace, policy.workload.name
    metadata = {
        "namespace": namespace,
        "uid": objects.uid(SCALING_POLICY.name, namespace, name),
        "generation": 1,
        "creationTimestamp": timestamp(created_seconds),
        **{field: value for field, value in policy.raw["metadata"].items() if value is not None},
    }
    workload = replace(policy.workload, uid=metadata["uid"], generation=metadata["generation"])
    spec = defaulted(policy.raw["spec"], SCALING_POLICY.schema["properties"]["spec"])
    return {**policy.raw, "metadata": metadata, "spec": spec}, workload
