"""An image pre-pull as an object: a Job whose one pod has a node pull an image before a replica needs it, and then keeps it there.

It asks for no GPU and goes to its node by name, so that the kubelet can begin before the GPU driver is there, and so that it never
makes a node autoscaler bring a node.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from autoscaler.actuators.manifest import Owner, container_restrictions, name_of, one_pod, pod_restrictions
from autoscaler.kube.objects import Object, key, uid
from autoscaler.kube.ours import FETCH, FETCH_JOB, FETCHED, NODE, short_hash
from crds.image_weights import mounts_images
from crds.workload import Workload
from policies.supply import StageName

PAUSE_IMAGE = "registry.k8s.io/pause:3.10"  # unless a setting has another one
# Below the Cluster Autoscaler's cutoff of -10 and Karpenter's of -2^25: such a pod brings no node, and keeps none from being removed.
PRIORITY_CLASS = "outrider-fetch"
RESTS_SECONDS = 1800  # a Job that failed stays as long, and its node is left alone meanwhile
RESOURCES = {"cpu": "10m", "memory": "32Mi"}
PULL_ACCOUNT = ("imagePullSecrets", "serviceAccountName")  # what a pull is made with


class Form(StrEnum):
    """The forms of a fetch, as the label on its Job has them."""

    SLEEP = "image"  # the image itself runs `sleep`
    VOLUME = "image-volume"  # a pause container mounts it
    WEIGHTS = "weights"  # a container of the policy's own copies weights to the node's disk


@dataclass(frozen=True, slots=True)
class Image:
    """An image that a replica needs on its node."""

    reference: str
    stage: StageName  # IMAGE: the engine's; WEIGHTS: the model's
    pull_policy: str = ""  # empty: the API server's default


def images(workload: Workload, template: Object, *, weights: bool = True) -> tuple[Image, ...]:
    """What is to be pulled for a workload: the engine's image, and the images that have its weights.

    `weights`: whether `spec.weights.image` may be pulled.
    """
    spec = template.get("spec") or {}
    return tuple(dict.fromkeys(_images(workload, spec, weights)))


def _images(workload: Workload, spec: Object, weights: bool) -> Iterator[Image]:
    first: Object = next(iter(spec.get("containers") or ()), {})
    if workload.pre_pull and first.get("image"):
        yield Image(first["image"], StageName.IMAGE, first.get("imagePullPolicy") or "")
    if workload.weights.image and weights:
        yield Image(workload.weights.image, StageName.WEIGHTS)
        return
    if workload.pre_pull:
        for volume in spec.get("volumes") or ():
            source = volume.get("image") or {}
            if source.get("reference"):
                yield Image(source["reference"], StageName.WEIGHTS, source.get("pullPolicy") or "")


def form(node: Object) -> Form:
    """How the node keeps an image."""
    return Form.VOLUME if mounts_images(node) else Form.SLEEP


def prepull_pod(
    template: Object, image: Image, how: Form, deadline_seconds: int, pause_image: str = PAUSE_IMAGE
) -> dict[str, Any]:
    """The spec of a pod that pulls one image and keeps it until it ends; mounted in a container of `pause_image`, or by itself."""
    spec = template.get("spec") or {}
    container: dict[str, Any] = {"name": "hold", **container_restrictions()}
    volumes: dict[str, Any] = {}
    if how is Form.VOLUME:
        policy = {"pullPolicy": image.pull_policy} if image.pull_policy else {}
        volumes = {"volumes": [{"name": "held", "image": {"reference": image.reference, **policy}}]}
        mount = {"name": "held", "mountPath": "/held", "readOnly": True}
        container |= {"image": pause_image, "volumeMounts": [mount]}
    else:
        policy = {"imagePullPolicy": image.pull_policy} if image.pull_policy else {}
        container |= {"image": image.reference, **policy, "command": ["sleep", str(deadline_seconds)]}
    return {
        **{name: spec[name] for name in PULL_ACCOUNT if spec.get(name)},
        **pod_restrictions(),
        "containers": [container | {"resources": {"requests": RESOURCES, "limits": RESOURCES}}],
        **volumes,
    }


@dataclass(frozen=True, slots=True)
class Content:
    """What is to be on a node, and the pod that brings it there: the same for all nodes of one form."""

    what: str  # the image, or the folder of the weights
    stage: StageName
    form: Form
    pod_spec: dict[str, Any]
    deadline_seconds: int
    rests_seconds: int = RESTS_SECONDS  # an ended Job that is not made again stays as long

    @property
    def hash(self) -> str:
        """Another one means that the Jobs are to be made anew."""
        return short_hash(json.dumps([self.form, self.what, self.pod_spec], sort_keys=True))


def fetch_name(workload: Workload, content_hash: str, form: Form, node: Object) -> str:
    """A Job's name: the same from every controller for the same thing on the same node, so that none is made twice."""
    where = short_hash(f"{workload.uid} {key(node).name} {uid(node)}")
    return name_of(workload.name, f"-{'prefetch' if form is Form.WEIGHTS else 'prepull'}-{where}-{content_hash}")


def fetch_job(workload: Workload, content: Content, node: Object) -> dict[str, Any]:
    """The Job that brings something to one node."""
    name, at = fetch_name(workload, content.hash, content.form, node), key(node).name
    labels = {FETCH: content.form.value}
    return one_pod(
        workload.namespace,
        Owner.of(workload),
        name,
        labels=labels,
        annotations={NODE: at, FETCHED: content.what},
        deadline_seconds=content.deadline_seconds,
        ended_seconds=content.rests_seconds,
        pod_labels={**labels, FETCH_JOB: name},
        pod_annotations={"cluster-autoscaler.kubernetes.io/safe-to-evict": "true"},
        pod_spec={
            "nodeName": at,
            "tolerations": [{"operator": "Exists"}],
            "priorityClassName": PRIORITY_CLASS,
            **content.pod_spec,
        },
    )
