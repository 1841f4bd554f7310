"""Reading nodes: what kind each is, by the labels of Karpenter, GKE, EKS and AKS; its GPUs; its images."""

from collections.abc import Mapping

from autoscaler.kube.objects import Object, labels
from crds.notation.units import quantity
from policies.seen import Place

POOL = (
    "karpenter.sh/nodepool",
    "cloud.google.com/gke-nodepool",
    "eks.amazonaws.com/nodegroup",
    "kubernetes.azure.com/agentpool",
)
INSTANCE_TYPE = ("node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type")
CAPACITY_TYPE = (
    "karpenter.sh/capacity-type",
    "eks.amazonaws.com/capacityType",
    "cloud.google.com/gke-provisioning",
    "kubernetes.azure.com/scalesetpriority",
)
SPOT = ("cloud.google.com/gke-spot", "cloud.google.com/gke-preemptible")  # "true" on such a node
GPU = ("nvidia.com/gpu.product", "cloud.google.com/gke-accelerator", "karpenter.k8s.aws/instance-gpu-name")
LABELS = (*POOL, *INSTANCE_TYPE, *CAPACITY_TYPE, *SPOT, *GPU)


def place(node: Object) -> Place:
    """The place of a node, or of what a NodeClaim asks for."""
    found = labels(node)

    def first(names: tuple[str, ...]) -> str:
        return next((text for name in names if isinstance(text := found.get(name), str) and text), "")

    capacity_type = first(CAPACITY_TYPE).lower().replace("_", "-")
    is_spot = any(found.get(name) == "true" for name in SPOT)
    return Place(first(POOL), first(INSTANCE_TYPE), "spot" if is_spot else capacity_type, first(GPU))


def gpus(resources: object) -> float:
    """How many GPUs a list of resources has, whoever makes them; 0 for what is not such a list."""
    if not isinstance(resources, Mapping):
        return 0.0
    return sum(_quantity(count) for name, count in resources.items() if is_gpu(name))


def is_gpu(resource: object) -> bool:
    """Whether a resource is a GPU, such as nvidia.com/gpu, or a slice of one."""
    return isinstance(resource, str) and ("gpu" in resource or "/mig-" in resource)


def _quantity(count: object) -> float:
    try:
        return quantity(str(count))
    except ValueError:
        return 0.0


def has_image(node: Object, image: str) -> bool:
    """Whether the node lists an image, perhaps with its registry's host. False says nothing: a kubelet lists 50."""
    images = (node.get("status") or {}).get("images") or ()
    names = [name for each in images for name in each.get("names") or ()]
    return bool(image) and any(name == image or name.endswith(f"/{image}") for name in names)
