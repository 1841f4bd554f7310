"""How the weights came to the disk of a pod's node, where its own containers did not get them, as a span of its start.

None where that is not known, and where it ended too late for the pod: then its engine may have got them itself.
"""

from collections.abc import Iterable, Sequence

from autoscaler.kube.objects import Object
from policies.seen import FUTURE_SECONDS, PodSeen, Pull, PullState
from policies.starts import Part, Span


def weight_images(given: str, template: Object | None) -> tuple[str, ...]:
    """The images that have the weights: the one that the policy names, else those that the pods mount as volumes."""
    volumes = ((template or {}).get("spec") or {}).get("volumes") or ()
    references = [(volume.get("image") or {}).get("reference") for volume in volumes]
    return (given,) if given else tuple(dict.fromkeys(str(each) for each in references if each))


def by_images(pod: PodSeen, pulls: Iterable[Pull | None]) -> Span | None:
    """From the last pull of each of the images onto the pod's node."""
    spans = []
    for pull in pulls:
        if pull is None or pull.message.state is not PullState.PULLED:
            return None
        spans.append(brought(pod, pull.begin_seconds, pull.at_seconds))
    return _together([span for span in spans if span is not None]) if spans and None not in spans else None


def brought(pod: PodSeen, begin_seconds: float | None, end_seconds: float) -> Span | None:
    """Of what came to the pod's node in that time. `begin_seconds` None: it is not known how long it took."""
    requested, since, started = pod.created_seconds, pod.since_seconds, pod.started_seconds
    if requested is None or started is None or end_seconds > started + FUTURE_SECONDS:
        return None
    if begin_seconds is None or end_seconds < requested:
        at = max(requested, min(end_seconds, started)) if since is None else since
        return Span(Part.WEIGHTS, at, at, "present")
    return Span(Part.WEIGHTS, begin_seconds, end_seconds, "pulled")


def _together(spans: Sequence[Span]) -> Span:
    pulled = [span for span in spans if span.path == "pulled"] or spans
    begin, end = min(span.begin_seconds for span in pulled), max(span.end_seconds for span in pulled)
    return Span(Part.WEIGHTS, begin, end, pulled[0].path)
