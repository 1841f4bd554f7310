"""The labels by which our objects are found, in this process or in the next."""

import hashlib

MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "outrider"
POLICY = "outrider.dev/policy"
SLOT = "outrider.dev/slot"
BALLOON = "outrider.dev/balloon"  # on a balloon's pod: its Job's name
SHAPE = "outrider.dev/shape"  # annotation of a Job: the hash of what its pod is made from
LABEL_LIMIT = 63  # characters of a label's value

BALLOONS = f"{MANAGED_BY}={MANAGER},{POLICY}"


def short_hash(text: str) -> str:
    """Eight hexadecimal digits: two of 10,000 texts are alike in 1 of 86 cases, and names carry more than the hash."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def policy_label(name: str) -> str:
    """A policy's name as a label: whole where it fits, else its start and a hash."""
    if len(name) <= LABEL_LIMIT:
        return name
    return f"{name[: LABEL_LIMIT - 9]}-{short_hash(name)}"
