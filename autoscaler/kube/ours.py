"""The labels by which Outrider finds the objects that it made, also after a restart."""

import hashlib
from collections.abc import Iterable

from autoscaler.kube.objects import Object, deleting, labels, phase
from crds.notation.selectors import parse

MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "outrider"
POLICY = "outrider.dev/policy"
SLOT = "outrider.dev/slot"
BALLOON = "outrider.dev/balloon"  # on a balloon's pod: the name of its Job
SHAPE = "outrider.dev/shape"  # annotation of a Job: a hash of what its pod is made from
FETCH = "outrider.dev/fetch"  # on a Job that brings an image or weights to a node, and on its pod: which of its forms
FETCH_JOB = "outrider.dev/fetch-job"  # on its pod: the name of the Job
NODE = "outrider.dev/node"  # annotation of such a Job: the node
FETCHED = "outrider.dev/fetched"  # annotation of such a Job: what it brings
POOL = "outrider.dev/pool"  # on a standby node's Job and pod: the GPUPool
OFFERING = "outrider.dev/offering"  # likewise: which of its offerings
STANDBY = "outrider.dev/standby"  # on a standby node's pod: the name of its Job
LABEL_LIMIT = 63  # characters of a label's value

BALLOONS = f"{MANAGED_BY}={MANAGER},{POLICY},{SLOT}"
FETCHES = f"{MANAGED_BY}={MANAGER},{POLICY},{FETCH}"
STANDBYS = f"{MANAGED_BY}={MANAGER},{POOL},{SLOT}"
BALLOON_PODS = parse(BALLOON)
STANDBY_PODS = parse(STANDBY)
FETCH_PODS = parse(FETCH_JOB)


def short_hash(text: str) -> str:
    """Eight hexadecimal digits. Among 10,000 texts two share them in 1 of 86 cases, and names contain more than the hash."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def policy_label(name: str) -> str:
    """A policy's name as a label's value: in full where it fits, else its start and a hash."""
    if len(name) <= LABEL_LIMIT:
        return name
    return f"{name[: LABEL_LIMIT - 9]}-{short_hash(name)}"


def running_jobs(pods: Iterable[Object], by: str = BALLOON) -> frozenset[str]:
    """Names of the Jobs whose pod runs, as its label `by` has them: its node holds the GPU and has the image."""
    return frozenset(
        labels(pod)[by] for pod in pods if by in labels(pod) and phase(pod) == "Running" and not deleting(pod)
    )
