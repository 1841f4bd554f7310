"""The policy that stands in where a replay is given none."""

from crds.kinds import SCALING_POLICY
from crds.profiles import DEFAULT_PROFILE
from crds.v1alpha1.resource import API_VERSION
from crds.workload import Workload


def default(profile: str = DEFAULT_PROFILE) -> Workload:
    """1 to 400 replicas of that profile; 99 % of the requests wait at most 5 s. Raises ValueError for no such profile."""
    spec = {
        "target": {"name": "llm"},
        "slo": {"queueWait": "5s", "attainment": "99%"},
        "minReplicas": 1,
        "maxReplicas": 400,
        "profile": profile,
    }
    metadata = {"name": "replay", "namespace": "default"}
    found = SCALING_POLICY.resolve(
        {"apiVersion": API_VERSION, "kind": SCALING_POLICY.name, "metadata": metadata, "spec": spec}
    )
    if isinstance(found, Workload):
        return found
    raise ValueError(f"{found[0].path} {found[0].value}: {found[0].why}; instead: {found[0].instead}")
