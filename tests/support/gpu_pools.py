"""GPUPools for tests, as the API server gives them and resolved; and plans that claim nodes of their offerings."""

from typing import Any

from crds.kinds import GPU_POOL
from crds.pool import GpuPool
from policies.pool import Claim, PoolPlan, Step

RESERVED, SPOT = "reserved", "spot"


def offering(name: str = RESERVED, gpus: int = 8, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kind": {RESERVED: "Reserved", SPOT: "Spot"}.get(name, "OnDemand"),
        "nodeSelector": {"karpenter.sh/nodepool": f"h100-{name}"},
        "pricePerGpuHour": "2.50",
        "gpusPerNode": gpus,
        **fields,
    }


def pool_object(name: str = "h100", *offerings: dict[str, Any], most: int = 3, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "outrider.dev/v1alpha1",
        "kind": "GPUPool",
        "metadata": {"name": name, "uid": f"uid-of-{name}", "generation": 1},
        "spec": {
            "owner": "platform",
            "offerings": list(offerings) or [offering(), offering(SPOT)],
            "members": [{"name": "all", "namespaceSelector": {}}],
            "standby": {"maxNodes": most},
            **spec,
        },
    }


def a_gpu_pool(name: str = "h100", *offerings: dict[str, Any], most: int = 3, **spec: Any) -> GpuPool:
    found = GPU_POOL.resolve(pool_object(name, *offerings, most=most, **spec))
    assert isinstance(found, GpuPool), found
    return found


def a_pool_plan(at_seconds: float = 0.0, **nodes: int) -> PoolPlan:
    """A plan that claims so many nodes of each offering."""
    claims = tuple(Claim(name, count, Step.FIRST) for name, count in nodes.items())
    return PoolPlan(at_seconds, (), sum(nodes.values()), claims, (), 0, 0)
