"""What the kubelet's Events say of image pulls: their messages, read into numbers.

    Pulling image "X"
    Successfully pulled image "X" in 4m4.956s (4m6.1s including waiting). Image size: 9612695005 bytes.
    Container image "X" already present on machine
    Failed to pull image "X": ...        Back-off pulling image "X"

Newer kubelets append text, so that only the beginning has to match. Anyone who may write Events may write such a message: a
number that no pull has is no number.
"""

import re

from autoscaler.kube.trim import MESSAGE_LIMIT
from policies.seen import LONGEST_SECONDS, PullMessage, PullState

LARGEST_BYTES = 10**13
_IMAGE = r'"([^"\s]{1,512})"'
_DURATION = r"([0-9hmsµμun.]{1,32})"
_PULLED = re.compile(
    rf"Successfully pulled image {_IMAGE} in {_DURATION}(?: \({_DURATION} including waiting\))?"
    r"(?:\. Image size: ([0-9]{1,16}) bytes)?"
)
_PRESENT = re.compile(rf"Container image {_IMAGE} already present on machine")
_PULLING = re.compile(rf"Pulling image {_IMAGE}")
_FAILED = re.compile(rf"(?:Failed to pull|Back-off pulling) image {_IMAGE}")
_GO_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{0,9})?(?:h|ms|m|s|µs|μs|us|ns))+")
_GO_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?)(h|ms|m|s|µs|μs|us|ns)")
_UNIT_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6, "μs": 1e-6, "us": 1e-6, "ns": 1e-9}


def pull_message(message: object) -> PullMessage | None:
    """Read the message of an Event of the kubelet; None for any other one, and for numbers that no pull has."""
    if not isinstance(message, str):
        return None
    text = message[:MESSAGE_LIMIT]
    if found := _PULLED.match(text):
        return _pulled(*found.groups())
    for pattern, state in ((_PRESENT, PullState.PRESENT), (_PULLING, PullState.PULLING), (_FAILED, PullState.FAILED)):
        if found := pattern.match(text):
            return PullMessage(found[1], state)
    return None


def _pulled(image: str, pull: str, total: str | None, size: str | None) -> PullMessage | None:
    pull_seconds = go_seconds(pull)
    total_seconds = pull_seconds if total is None else go_seconds(total)
    if pull_seconds is None or total_seconds is None or not pull_seconds <= total_seconds <= LONGEST_SECONDS:
        return None
    size_bytes = None if size is None or int(size) > LARGEST_BYTES else int(size)
    return PullMessage(image, PullState.PULLED, pull_seconds, total_seconds, size_bytes)


def go_seconds(duration: str) -> float | None:
    """A duration as Go writes it, such as `4m4.956s`; None for any other text."""
    if not _GO_DURATION.fullmatch(duration):
        return None
    return sum(float(count) * _UNIT_SECONDS[unit] for count, unit in _GO_PART.findall(duration))
