"""Jobs that are like a balloon but for one thing that somebody with Outrider's token might want."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

POD = "spec.template.spec"
HOLD = f"{POD}.containers.0"
REMOVED = object()
FORGERIES: dict[str, tuple[str, Any]] = {  # what is put where
    "not ours": ("metadata.labels", {"app": "chat"}),
    "of no policy": ("metadata.ownerReferences", REMOVED),
    "of another owner": ("metadata.ownerReferences.0.kind", "Deployment"),
    "of two owners": ("metadata.ownerReferences.1", {"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "b"}),
    "many pods": ("spec.parallelism", 50),
    "many pods one by one": ("spec.completions", 50),
    "restarts": ("spec.backoffLimit", 6),
    "restarts in place": (f"{POD}.restartPolicy", "OnFailure"),
    "no deadline": ("spec.activeDeadlineSeconds", REMOVED),
    "a deadline of years": ("spec.activeDeadlineSeconds", 10**8),
    "never removed": ("spec.ttlSecondsAfterFinished", REMOVED),
    "a label that a Service selects": ("spec.template.metadata.labels.app", "chat"),
    "a sidecar's annotation": ("spec.template.metadata.annotations", {"sidecar.istio.io/userVolume": "[]"}),
    "a pod that stays": ("spec.template.metadata.finalizers", ["example.com/stay"]),
    "a pod of another owner": ("spec.template.metadata.ownerReferences", [{"apiVersion": "v1", "kind": "Pod"}]),
    "a Job of another controller": ("spec.managedBy", "example.com/other"),
    "pods by index": ("spec.completionMode", "Indexed"),
    "the highest priority": (f"{POD}.priorityClassName", "system-node-critical"),
    "no priority class": (f"{POD}.priorityClassName", REMOVED),
    "a token": (f"{POD}.automountServiceAccountToken", True),
    "a token by default": (f"{POD}.automountServiceAccountToken", REMOVED),
    "the node's network": (f"{POD}.hostNetwork", True),
    "the node's processes": (f"{POD}.hostPID", True),
    "the node's files": (f"{POD}.volumes", [{"name": "root", "hostPath": {"path": "/"}}]),
    "a Secret": (f"{POD}.volumes", [{"name": "hf", "secret": {"secretName": "hf"}}]),
    "another user's files": (f"{POD}.securityContext.fsGroup", 0),
    "a kernel setting": (f"{POD}.securityContext.sysctls", [{"name": "net.ipv4.ip_forward", "value": "1"}]),
    "its own devices": (f"{POD}.resourceClaims", [{"name": "gpu", "resourceClaimName": "gpu"}]),
    "a named node": (f"{POD}.nodeName", "node-0"),
    "root": (f"{POD}.securityContext.runAsUser", 0),
    "no security context": (f"{POD}.securityContext", REMOVED),
    "an init container": (f"{POD}.initContainers", [{"name": "first", "image": "busybox"}]),
    "a second container": (f"{POD}.containers.1", {"name": "second", "image": "busybox"}),
    "privileged": (f"{HOLD}.securityContext", {"allowPrivilegeEscalation": True, "privileged": True}),
    "a capability": (f"{HOLD}.securityContext.capabilities", {"drop": ["ALL"], "add": ["SYS_ADMIN"]}),
    "a shell": (f"{HOLD}.command", ["sh", "-c"]),
    "arguments": (f"{HOLD}.args", ["--help"]),
    "environment": (f"{HOLD}.envFrom", [{"secretRef": {"name": "hf"}}]),
    "a hook": (f"{HOLD}.lifecycle", {"preStop": {"exec": {"command": ["sh"]}}}),
    "a port of the node": (f"{HOLD}.ports", [{"containerPort": 80, "hostPort": 80}]),
}


def forged(balloon: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each forgery of a balloon, by what it wants."""
    for what, (path, value) in FORGERIES.items():
        job = deepcopy(balloon)
        *steps, last = path.split(".")
        place: Any = job
        for step in steps:
            place = place[int(step) if step.isdecimal() else step]
        if value is REMOVED:
            del place[last]
        elif isinstance(place, list):
            place.insert(int(last), value)
        else:
            place[last] = value
        yield what, job
