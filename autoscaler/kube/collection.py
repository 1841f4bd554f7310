"""The paths of the API: one collection of one kind, in one namespace or in all."""

from dataclasses import dataclass

from crds.kinds import GPU_POOL, SCALING_POLICY
from crds.v1alpha1.resource import API_VERSION


@dataclass(frozen=True, slots=True)
class Collection:
    """All objects of one kind. `api_version` is "v1" or "group/version"; no namespace means every namespace."""

    api_version: str
    plural: str
    namespace: str | None = None
    label_selector: str = ""
    field_selector: str = ""

    @property
    def path(self) -> str:
        """The path for listing and creating."""
        middle = f"/namespaces/{self.namespace}" if self.namespace else ""
        return f"{api_path(self.api_version)}{middle}/{self.plural}"

    @property
    def selector(self) -> dict[str, str]:
        """What of it is selected, as the query of a list or a watch."""
        given = {"labelSelector": self.label_selector, "fieldSelector": self.field_selector}
        return {name: text for name, text in given.items() if text}

    def item(self, namespace: str, name: str, subresource: str = "") -> str:
        """The path of one of its objects, or of that object's subresource; without a namespace, of a kind that has none."""
        tail = f"/{subresource}" if subresource else ""
        middle = f"/namespaces/{namespace}" if namespace else ""
        return f"{api_path(self.api_version)}{middle}/{self.plural}/{name}{tail}"


def api_path(api_version: str) -> str:
    """The root of a group's version: `/api/v1` for the core group, `/apis/GROUP/VERSION` for all others."""
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def policies(namespace: str | None = None) -> Collection:
    """The ScalingPolicies of a namespace, or of all."""
    return Collection(API_VERSION, SCALING_POLICY.plural, namespace)


def gpu_pools() -> Collection:
    """The GPUPools of the cluster."""
    return Collection(API_VERSION, GPU_POOL.plural)


def namespaces() -> Collection:
    """The namespaces of the cluster."""
    return Collection("v1", "namespaces")


def pods(namespace: str) -> Collection:
    """The pods of a namespace."""
    return Collection("v1", "pods", namespace)


def pods_on(node: str) -> Collection:
    """The pods of all namespaces that are on a node."""
    return Collection("v1", "pods", field_selector=f"spec.nodeName={node}")


def jobs(namespace: str, label_selector: str = "") -> Collection:
    """The Jobs of a namespace."""
    return Collection("batch/v1", "jobs", namespace, label_selector)


def events(namespace: str, about_uid: str = "") -> Collection:
    """The Events of a namespace, or those about one object."""
    return Collection("v1", "events", namespace, field_selector=f"involvedObject.uid={about_uid}" if about_uid else "")


def pod_events(namespace: str, reason: str) -> Collection:
    """The Events about pods of a namespace that have one reason: field selectors know no "or"."""
    return Collection("v1", "events", namespace, field_selector=f"involvedObject.kind=Pod,reason={reason}")


def events_of(reason: str) -> Collection:
    """The Events of all namespaces that have one reason."""
    return Collection("v1", "events", field_selector=f"reason={reason}")


def nodes() -> Collection:
    """The nodes of the cluster."""
    return Collection("v1", "nodes")


def node_claims() -> Collection:
    """Karpenter's NodeClaims."""
    return Collection("karpenter.sh/v1", "nodeclaims")


def namespace(name: str) -> str:
    """The path of a namespace."""
    return f"/api/v1/namespaces/{name}"


def local_model_cache(name: str) -> str:
    """The path of a LocalModelCache of KServe."""
    return f"/apis/serving.kserve.io/v1alpha1/localmodelcaches/{name}"


def access_reviews() -> Collection:
    """The SelfSubjectAccessReviews, which answer when they are created."""
    return Collection("authorization.k8s.io/v1", "selfsubjectaccessreviews")


def resource_quotas(namespace: str) -> Collection:
    """The ResourceQuotas of a namespace."""
    return Collection("v1", "resourcequotas", namespace)


def priority_classes() -> Collection:
    """The PriorityClasses of the cluster."""
    return Collection("scheduling.k8s.io/v1", "priorityclasses")


def capacity_buffers(namespace: str, label_selector: str = "") -> Collection:
    """The CapacityBuffers of a namespace."""
    return Collection("autoscaling.x-k8s.io/v1beta1", "capacitybuffers", namespace, label_selector)


def pod_templates(namespace: str) -> Collection:
    """The PodTemplates of a namespace."""
    return Collection("v1", "podtemplates", namespace)
