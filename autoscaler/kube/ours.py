"""The labels by which our objects are found, in this process or in the next."""

import hashlib
from collections.abc import Iterable

from autoscaler.kube.objects import Object, deleting, labels, phase
from crds.notation.selectors import parse

MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "outrider"
POLICY = "outrider.dev/policy"
SLOT = "outrider.dev/slot"
BALLOON = "outrider.dev/balloon"  # on a balloon's pod: its Job's name
SHAPE = "outrider.dev/shape"  # annotation of a Job: the hash of what its pod is made from
LABEL_LIMIT = 63  # characters of a label's value

BALLOONS = f"{MANAGED_BY}={MANAGER},{POLICY}"
BALLOON_PODS = parse(BALLOON)


def short_hash(text: str) -> str:
    """Eight hexadecimal digits: two of 10,000 texts are alike in 1 of 86 cases, and names carry more than the hash."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def policy_label(name: str) -> str:
    """A policy's name as a label: whole where it fits, else its start and a hash."""
    if len(name) <= LABEL_LIMIT:
        return name
    return f"{name[: LABEL_LIMIT - 9]}-{short_hash(name)}"


def running_balloons(pods: Iterable[Object]) -> frozenset[str]:
    """Names of the balloon Jobs whose pod runs: its node holds the GPU and has the image."""
    return frozenset(
        labels(pod)[BALLOON] for pod in pods if BALLOON in labels(pod) and phase(pod) == "Running" and not deleting(pod)
    )
