"""Pools and their members in a cluster, for tests of the controller. What it does not do: hold standby nodes."""

from dataclasses import dataclass
from typing import Any, cast

from policies.pool import PoolState
from tests.autoscaler.control.controller import Controller, spec

GRID = 15.0
OFFERING = {
    "name": "on-demand",
    "kind": "OnDemand",
    "nodeSelector": {"karpenter.sh/nodepool": "h100"},
    "pricePerGpuHour": "4",
    "gpusPerNode": 1,
}


def pool_path(name: str = "h100") -> str:
    return f"/apis/outrider.dev/v1alpha1/gpupools/{name}"


def pool_spec(**more: Any) -> dict[str, Any]:
    members = [{"name": "everyone", "namespaceSelector": {}}]
    return {"owner": "platform", "offerings": [OFFERING], "members": members, **more}


@dataclass
class Pooled:
    controller: Controller

    async def pool(self, name: str = "h100", **more: Any) -> None:
        """Create or edit a pool, as `kubectl apply` would."""
        api = self.controller.api
        before = api.objects.get(pool_path(name))
        generation = before["metadata"]["generation"] + 1 if before else 1
        kind = {"apiVersion": "outrider.dev/v1alpha1", "kind": "GPUPool", "metadata": {"generation": generation}}
        await api.put(pool_path(name), {**(before or {}), **kind, "spec": pool_spec(**more)})

    async def namespace(self, name: str = "ns", **labels: str) -> None:
        await self.controller.api.put(f"/api/v1/namespaces/{name}", {"metadata": {"labels": labels}})

    async def member(self, name: str, replicas: int, **more: Any) -> None:
        """A target with so many ready pods, and a policy of the pool."""
        await self.controller.target(name, replicas)
        await self.controller.policy(name, spec(name, **{"pool": "h100", **more}))

    async def node(self, name: str, *, taints: list[dict[str, str]] | None = None, pool: str = "h100") -> None:
        about = {"labels": {"karpenter.sh/nodepool": pool}}
        status = {"allocatable": {"nvidia.com/gpu": "1"}, "conditions": [{"type": "Ready", "status": "True"}]}
        await self.controller.api.put(
            f"/api/v1/nodes/{name}", {"metadata": about, "spec": {"taints": taints or []}, "status": status}
        )

    def status(self, name: str = "h100") -> dict[str, Any]:
        return cast(dict[str, Any], self.controller.api.objects[pool_path(name)].get("status") or {})

    def conditions(self, name: str = "h100") -> dict[str, dict[str, str]]:
        return {each["type"]: each for each in self.status(name).get("conditions") or ()}

    def granted(self, policy: str) -> tuple[str, str] | None:
        """(status, reason) of the condition Granted."""
        found = self.controller.conditions(policy).get("Granted")
        return None if found is None else (found["status"], found["reason"])

    def ability(self, policy: str) -> dict[str, Any]:
        """What the policy says of the pool's standby nodes; empty if nothing."""
        found = self.controller.status(policy).get("capabilities") or []
        return next((each for each in found if each["name"] == "StandbyNodes"), {})

    def state(self, name: str = "h100") -> PoolState:
        assert self.controller.leader.pools is not None
        return self.controller.leader.pools.runtimes[name].state

    def events(self, reason: str) -> dict[str, str]:
        """The last message for this reason, by the kind that it is about."""
        found = [each for each in self.controller.api.bodies if each.get("reason") == reason]
        return {each["involvedObject"]["kind"]: each["message"] for each in found}

    def patches(self, name: str = "h100") -> list[str]:
        return [each for each in self.controller.api.requests if each.startswith(f"PATCH {pool_path(name)}")]
