"""The resources that a scenario file's workloads and pool stand for, as someone would apply them to a cluster."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crds.files import PolicyDocument, PoolDocument, one_policy, pools
from crds.kinds import GPU_POOL, SCALING_POLICY
from crds.pool import GpuPool
from crds.v1alpha1.resource import API_VERSION
from crds.workload import Workload
from replay.scenario.cluster import ClusterScenario
from replay.scenario.files import ScenarioFile, ScenarioFileError, is_resource, pool_resource, spec_of
from replay.scenario.model import Workload as Stated
from replay.scenario.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Served:
    """What a simulated cluster serves: the traffic, a policy for each workload in order, and the pool that they share."""

    scenario: Scenario | ClusterScenario
    policies: tuple[PolicyDocument, ...]
    pool: PoolDocument | None = None


def served(file: ScenarioFile, scenario: ClusterScenario) -> Served:
    """A scenario file as resources. Raises ScenarioFileError for what is none in a cluster."""
    pool = _pool(file)
    joins = {} if pool is None else {"pool": pool.pool.name}
    return Served(scenario, tuple(_policy(file, part.stated, joins) for part in file.parts), pool)


def _policy(file: ScenarioFile, stated: Stated, joins: Mapping[str, Any]) -> PolicyDocument:
    given = stated.policy or {}
    if isinstance(given, str):
        spec = dict(one_policy(str(file.folder / given)).raw["spec"])
    else:
        spec = dict(given["spec"]) if is_resource(given) else spec_of(stated, given)
    raw = {
        "apiVersion": API_VERSION,
        "kind": SCALING_POLICY.name,
        "metadata": {"name": stated.name, "namespace": stated.namespace},
        "spec": {**spec, "target": {"name": stated.name}, "mode": "Active", **joins},
    }
    found = SCALING_POLICY.resolve(raw)
    if not isinstance(found, Workload):
        raise ScenarioFileError(f"{file.name}: workload {stated.name}: {found[0].path}: {found[0].why}")
    return PolicyDocument(f"{file.name}: workload {stated.name}", raw, found)


def _pool(file: ScenarioFile) -> PoolDocument | None:
    given = file.spec.pool
    if given is None:
        return None
    if isinstance(given, str):
        return pools(str(file.folder / given))[0]
    raw = pool_resource(given)
    found = GPU_POOL.resolve(raw)
    if not isinstance(found, GpuPool):
        raise ScenarioFileError(f"{file.name}: spec.pool: {found[0].path}: {found[0].why}")
    return PoolDocument(file.name, raw, found)
