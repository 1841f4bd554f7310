"""The resources that the API serves, with the verbs of each. Everything else answers 404, every other verb 405."""

from dataclasses import dataclass, field
from typing import Any

from crds.kinds import GPU_POOL, SCALING_POLICY
from crds.v1alpha1.resource import GROUP, VERSION, Column

Json = dict[str, Any]
"""A JSON object as it goes over the wire. Stored objects are never changed in place."""


AGE = Column("Age", "date", ".metadata.creationTimestamp")


@dataclass(frozen=True)
class Resource:
    """One resource as discovery describes it."""

    group: str  # empty for the core group
    version: str
    plural: str
    kind: str
    verbs: tuple[str, ...]
    short_names: tuple[str, ...] = ()
    subresources: dict[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    namespaced: bool = True
    fields: tuple[str, ...] = ()  # field selectors beside metadata.name and metadata.namespace
    columns: tuple[Column, ...] = (AGE,)  # of `kubectl get`, after the name

    @property
    def api_version(self) -> str:
        """`v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """The plural in error messages: `pods`, `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


PODS = Resource(
    "",
    "v1",
    "pods",
    "Pod",
    ("get", "list", "watch"),
    short_names=("po",),
    fields=("spec.nodeName", "status.phase"),
    columns=(
        Column("Status", "string", ".status.phase"),
        Column("Ready", "string", ".status.conditions[?(@.type=='Ready')].status"),
        AGE,
        Column("Node", "string", ".spec.nodeName", wide=True),
    ),
)
EVENTS = Resource(
    "",
    "v1",
    "events",
    "Event",
    ("create", "get", "list", "watch"),
    short_names=("ev",),
    fields=("involvedObject.kind", "involvedObject.name", "involvedObject.uid", "reason"),
    columns=(
        Column("Last Seen", "date", ".lastTimestamp"),
        Column("Type", "string", ".type"),
        Column("Reason", "string", ".reason"),
        Column("Object", "string", ".involvedObject.name"),
        Column("Message", "string", ".message"),
    ),
)
DEPLOYMENTS = Resource(
    "apps",
    "v1",
    "deployments",
    "Deployment",
    ("get", "list", "watch"),
    short_names=("deploy",),
    subresources={"scale": ("get", "patch")},
    columns=(
        Column("Replicas", "integer", ".spec.replicas"),
        Column("Ready", "integer", ".status.readyReplicas"),
        AGE,
    ),
)
JOBS = Resource(
    "batch",
    "v1",
    "jobs",
    "Job",
    ("create", "delete", "get", "list", "watch"),
    columns=(
        Column("Active", "integer", ".status.active"),
        Column("Ready", "integer", ".status.ready"),
        Column("Failed", "integer", ".status.failed"),
        AGE,
    ),
)
SCALING_POLICIES = Resource(
    GROUP,
    VERSION,
    SCALING_POLICY.plural,
    SCALING_POLICY.name,
    ("delete", "get", "list", "patch", "watch"),
    short_names=SCALING_POLICY.short_names,
    subresources={"status": ("get", "patch")},
    columns=SCALING_POLICY.columns,
)
GPU_POOLS = Resource(
    GROUP,
    VERSION,
    GPU_POOL.plural,
    GPU_POOL.name,
    ("get", "list", "watch"),
    short_names=GPU_POOL.short_names,
    subresources={"status": ("get", "patch")},
    namespaced=False,
    columns=GPU_POOL.columns,
)
NAMESPACES = Resource(
    "",
    "v1",
    "namespaces",
    "Namespace",
    ("get", "list", "watch"),
    short_names=("ns",),
    namespaced=False,
    columns=(Column("Status", "string", ".status.phase"), AGE),
)
RESOURCE_QUOTAS = Resource("", "v1", "resourcequotas", "ResourceQuota", ("list",), short_names=("quota",))
PRIORITY_CLASSES = Resource(
    "scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", ("list",), short_names=("pc",), namespaced=False
)
NODES = Resource(
    "",
    "v1",
    "nodes",
    "Node",
    ("get", "list", "watch"),
    short_names=("no",),
    namespaced=False,
    columns=(Column("Ready", "string", ".status.conditions[?(@.type=='Ready')].status"), AGE),
)
RESOURCES = (
    PODS,
    NODES,
    NAMESPACES,
    EVENTS,
    DEPLOYMENTS,
    JOBS,
    SCALING_POLICIES,
    GPU_POOLS,
    RESOURCE_QUOTAS,
    PRIORITY_CLASSES,
)

_SUBRESOURCE_KINDS = {
    "scale": {"group": "autoscaling", "version": "v1", "kind": "Scale"},
    "status": {},
}


def find(group: str, version: str, plural: str) -> Resource | None:
    """The resource of that name, or None if it is not served."""
    return next((r for r in RESOURCES if (r.group, r.version, r.plural) == (group, version, plural)), None)


def group_versions() -> tuple[tuple[str, str], ...]:
    """Every (group, version) once, in order of appearance."""
    return tuple(dict.fromkeys((resource.group, resource.version) for resource in RESOURCES))


def serves(path: str) -> bool:
    """Whether a path is in a group and version that is served."""
    match path.strip("/").split("/"):
        case ["api", version, *_]:
            return ("", version) in group_versions()
        case ["apis", group, version, *_]:
            return (group, version) in group_versions()
    return False


def resource_list(group: str, version: str) -> Json | None:
    """The discovery document of a group and version, or None if it is not served."""
    members = [resource for resource in RESOURCES if (resource.group, resource.version) == (group, version)]
    if not members:
        return None
    entries: list[Json] = []
    for resource in members:
        entry: Json = {
            "name": resource.plural,
            "singularName": resource.kind.lower(),
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": list(resource.verbs),
        }
        if resource.short_names:
            entry["shortNames"] = list(resource.short_names)
        entries.append(entry)
        for name, verbs in resource.subresources.items():
            entries.append(
                {
                    "name": f"{resource.plural}/{name}",
                    "singularName": "",
                    "namespaced": True,
                    "kind": resource.kind,
                    **_SUBRESOURCE_KINDS[name],
                    "verbs": list(verbs),
                }
            )
    group_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": entries}


def group_list() -> Json:
    """The response to `GET /apis`."""
    groups = []
    for group, version in group_versions():
        if group:
            served = {"groupVersion": f"{group}/{version}", "version": version}
            groups.append({"name": group, "versions": [served], "preferredVersion": served})
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
