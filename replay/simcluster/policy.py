"""The ScalingPolicies that the simulated cluster starts with, its GPUPool, and the traffic of each workload."""

from dataclasses import replace

from crds.files import PolicyDocument, PolicyFileError, PoolDocument
from crds.kinds import GPU_POOL, SCALING_POLICY
from crds.notation.timestamps import timestamp
from crds.structural import defaulted
from crds.workload import Workload
from replay.scenario.cluster import ClusterScenario
from replay.scenario.scenario import Scenario
from replay.simcluster import objects
from replay.simcluster.resources import GPU_POOLS, NAMESPACES, Json
from replay.simcluster.store import Store


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


def traffic(scenario: Scenario | ClusterScenario, name: str) -> list[tuple[str, Scenario]]:
    """Each workload's name and traffic. `name` is that of the only one."""
    if isinstance(scenario, Scenario):
        return [(name, scenario)]
    return [(each.name, each.scenario) for each in scenario.workloads]


def put_pool(store: Store, scenario: ClusterScenario, pool: PoolDocument | None) -> None:
    """Store the namespaces of the workloads with their labels, and the pool that these share."""
    created = timestamp(scenario.start_seconds)
    for each in scenario.workloads:
        labels = {"kubernetes.io/metadata.name": each.namespace, **dict(each.labels)}
        about = {"name": each.namespace, "uid": objects.uid("Namespace", each.namespace), "labels": labels}
        metadata = {**about, "creationTimestamp": created}
        status = {"phase": "Active"}
        store.put(NAMESPACES, {"kind": "Namespace", "apiVersion": "v1", "metadata": metadata, "status": status})
    if pool is not None:
        name = pool.pool.name
        known: Json = {
            "name": name,
            "uid": objects.uid(GPU_POOL.name, name),
            "generation": 1,
            "creationTimestamp": created,
        }
        spec = defaulted(pool.raw["spec"], GPU_POOL.schema["properties"]["spec"])
        store.put(GPU_POOLS, {**pool.raw, "metadata": known, "spec": spec})
