"""Which collection serves a kind."""

from autoscaler.kube.client import Kube
from autoscaler.kube.collection import Collection, api_path
from autoscaler.kube.errors import NotFound, Rejected


class Discovery:
    """Collections by API version and kind, each looked up once. A kind that is missing is looked up again each time."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._known: dict[tuple[str, str], Collection] = {}

    async def collection(self, api_version: str, kind: str) -> Collection:
        """The collection of a namespaced kind. Raises `NotFound` if the cluster does not serve it."""
        known = self._known.get((api_version, kind))
        if known is not None:
            return known
        served = await self._kube.get(api_path(api_version))
        for resource in served.get("resources") or ():
            if resource.get("kind") == kind and "/" not in resource.get("name", "/"):
                if not resource.get("namespaced", True):
                    raise Rejected(f"{api_version} {kind} is not namespaced, so it cannot be the target of a policy")
                found = Collection(api_version, resource["name"])
                self._known[api_version, kind] = found
                return found
        raise NotFound(
            f"the cluster has no kind {kind} in {api_version}: check apiVersion and kind of the policy's target"
        )
