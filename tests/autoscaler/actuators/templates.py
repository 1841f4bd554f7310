"""Pod templates and what the scheduler counts for them: tests/e2e/test_footprints.py asks a real scheduler."""

from dataclasses import dataclass, field
from typing import Any

GPU = "nvidia.com/gpu"
FABRIC = "rdma.example/hca"
PAGES = "hugepages-2Mi"
RUNTIME_CLASS = "outrider-test-sandbox"
OVERHEAD = {"cpu": "250m", "memory": "160Mi"}

Json = dict[str, Any]


@dataclass(frozen=True)
class Template:
    """A pod's spec, and its sum: what one container would request to hold its place."""

    what: str
    spec: Json
    requests: dict[str, str]
    overhead: dict[str, str] = field(default_factory=dict)  # that admission adds to the pod


def one(requests: Json | None = None, limits: Json | None = None, **more: Any) -> Json:
    """A container."""
    resources = {"requests": requests or {}, "limits": limits or {}}
    return {"image": "registry.k8s.io/pause:3.10", "resources": resources, **more}


def pod(*containers: Json, init: tuple[Json, ...] = (), **more: Any) -> Json:
    """A spec whose containers have names."""
    started = {"initContainers": [{"name": f"init-{at}", **each} for at, each in enumerate(init)]} if init else {}
    return {"containers": [{"name": f"main-{at}", **each} for at, each in enumerate(containers)], **started, **more}


def sidecar(requests: Json | None = None, limits: Json | None = None) -> Json:
    """An init container that goes on beside the others."""
    return one(requests, limits, restartPolicy="Always")


G1 = {GPU: "1"}
ENGINE = one({"cpu": "6", "memory": "24Gi"}, G1)

TEMPLATES = (
    Template("as asked", pod(ENGINE), {"cpu": "6", "memory": "24Gi", **G1}),
    Template(
        "a limit is a request", pod(one({}, {"cpu": "2", "memory": "4Gi", **G1})), {"cpu": "2", "memory": "4Gi", **G1}
    ),
    Template(
        "a request below its limit",
        pod(one({"cpu": "1"}, {"cpu": "2", "memory": "4Gi", **G1})),
        {"cpu": "1", "memory": "4Gi", **G1},
    ),
    Template("GPUs alone", pod(one({}, {GPU: "4"})), {GPU: "4"}),
    Template(
        "containers add up",
        pod(ENGINE, one({"cpu": "250m", "memory": "1Gi"})),
        {"cpu": "6250m", "memory": "25Gi", **G1},
    ),
    Template(
        "GPUs in two containers", pod(ENGINE, one({"cpu": "1"}, {GPU: "2"})), {"cpu": "7", "memory": "24Gi", GPU: "3"}
    ),
    Template(
        "three containers, one bare", pod(ENGINE, one(), one({"cpu": "100m"})), {"cpu": "6100m", "memory": "24Gi", **G1}
    ),
    Template(
        "a large init step",
        pod(ENGINE, init=(one({"cpu": "8", "memory": "2Gi"}),)),
        {"cpu": "8", "memory": "24Gi", **G1},
    ),
    Template(
        "a small init step",
        pod(ENGINE, init=(one({"cpu": "1", "memory": "2Gi"}),)),
        {"cpu": "6", "memory": "24Gi", **G1},
    ),
    Template(
        "the largest of two init steps",
        pod(ENGINE, init=(one({"cpu": "8"}), one({"cpu": "7", "memory": "70Gi"}))),
        {"cpu": "8", "memory": "70Gi", **G1},
    ),
    Template("an init step with a GPU", pod(one({"cpu": "1"}), init=(one({}, {GPU: "2"}),)), {"cpu": "1", GPU: "2"}),
    Template(
        "a sidecar adds up",
        pod(ENGINE, init=(sidecar({"cpu": "500m", "memory": "1Gi"}),)),
        {"cpu": "6500m", "memory": "25Gi", **G1},
    ),
    Template(
        "an init step after a sidecar runs beside it",
        pod(ENGINE, init=(sidecar({"memory": "2Gi"}), one({"cpu": "8", "memory": "70Gi"}))),
        {"cpu": "8", "memory": "72Gi", **G1},
    ),
    Template(
        "an init step before a sidecar runs alone",
        pod(ENGINE, init=(one({"cpu": "8", "memory": "70Gi"}), sidecar({"memory": "2Gi"}))),
        {"cpu": "8", "memory": "70Gi", **G1},
    ),
    Template(
        "an init step between two sidecars",
        pod(ENGINE, init=(sidecar({"cpu": "1"}), one({"cpu": "7"}), sidecar({"cpu": "2"}))),
        {"cpu": "9", "memory": "24Gi", **G1},
    ),
    Template(
        "an init step after two sidecars",
        pod(ENGINE, init=(sidecar({"cpu": "1"}), sidecar({"cpu": "2"}), one({"cpu": "7"}))),
        {"cpu": "10", "memory": "24Gi", **G1},
    ),
    Template(
        "a sidecar whose limit is its request",
        pod(ENGINE, init=(sidecar({}, {"cpu": "1", "memory": "512Mi"}),)),
        {"cpu": "7", "memory": "24.5Gi", **G1},
    ),
    Template(
        "an init step above the limit of the container",
        pod(one({}, {"cpu": "4", "memory": "8Gi", **G1}), init=(one({"cpu": "6"}),)),
        {"cpu": "6", "memory": "8Gi", **G1},
    ),
    Template(
        "resources of the pod",
        pod(one({}, G1), resources={"requests": {"cpu": "16", "memory": "128Gi"}}),
        {"cpu": "16", "memory": "128Gi", **G1},
    ),
    Template(
        "resources of the pod above those of its containers",
        pod(ENGINE, resources={"requests": {"cpu": "8", "memory": "32Gi"}}),
        {"cpu": "8", "memory": "32Gi", **G1},
    ),
    Template(
        "a limit of the pod alone",
        pod(one({}, G1), resources={"limits": {"cpu": "3", "memory": "6Gi"}}),
        {"cpu": "3", "memory": "6Gi", **G1},
    ),
    Template(
        "a limit of the pod, requests of its containers",
        pod(one({"cpu": "2"}, G1), one({"cpu": "1"}), resources={"limits": {"cpu": "8", "memory": "6Gi"}}),
        {"cpu": "3", "memory": "6Gi", **G1},
    ),
    Template(
        "CPUs of the pod, memory of its container",
        pod(one({"memory": "3Gi"}, G1), resources={"requests": {"cpu": "5"}}),
        {"cpu": "5", "memory": "3Gi", **G1},
    ),
    Template(
        "resources of the pod above a large init step",
        pod(ENGINE, init=(sidecar({"cpu": "1"}), one({"cpu": "9"})), resources={"requests": {"cpu": "12"}}),
        {"cpu": "12", "memory": "24Gi", **G1},
    ),
    Template(
        "ephemeral storage",
        pod(one({"cpu": "1", "ephemeral-storage": "20Gi"}, G1), one({"ephemeral-storage": "1Gi"})),
        {"cpu": "1", "ephemeral-storage": "21Gi", **G1},
    ),
    Template(
        "huge pages",
        pod(one({"cpu": "1", "memory": "1Gi"}, {PAGES: "512Mi", **G1}), one({"cpu": "1"})),
        {"cpu": "2", "memory": "1Gi", PAGES: "512Mi", **G1},
    ),
    Template(
        "huge pages of the pod",
        pod(one({"cpu": "1", "memory": "1Gi"}, G1), resources={"limits": {PAGES: "256Mi"}}),
        {"cpu": "1", "memory": "1Gi", PAGES: "256Mi", **G1},
    ),
    Template("two kinds of devices", pod(one({"cpu": "1"}, {FABRIC: "8", **G1})), {"cpu": "1", FABRIC: "8", **G1}),
    Template(
        "fractions",
        pod(one({"cpu": "1.5", "memory": "1.5Gi"}, G1), one({"cpu": "0.25", "memory": "128974848"})),
        {"cpu": "1750m", "memory": "1739587584", **G1},
    ),
    Template(
        "decimal units",
        pod(one({"cpu": "100m", "memory": "500M"}, G1), init=(one({"memory": "1G"}),)),
        {"cpu": "100m", "memory": "1G", **G1},
    ),
    Template(
        "the overhead of a runtime class",
        pod(ENGINE, runtimeClassName=RUNTIME_CLASS),
        {"cpu": "6", "memory": "24Gi", **G1},
        OVERHEAD,
    ),
    Template(
        "everything at once",
        pod(
            one({"cpu": "2", "memory": "4Gi"}, {FABRIC: "1", **G1}),
            one({}, {"cpu": "500m", "ephemeral-storage": "1Gi"}),
            init=(sidecar({"memory": "1Gi"}), one({"cpu": "4", "memory": "30Gi", "ephemeral-storage": "40Gi"})),
            resources={"requests": {"memory": "40Gi"}},
            runtimeClassName=RUNTIME_CLASS,
        ),
        {"cpu": "4", "memory": "40Gi", "ephemeral-storage": "40Gi", FABRIC: "1", **G1},
        OVERHEAD,
    ),
)
