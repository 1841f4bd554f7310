"""One start, put together from what was seen of a pod, its node and its image; and what it teaches.

A time is believed only where it is possible: finite, in order, not in the future. What fails that is unknown, never zero.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from policies.keys import compiled
from policies.ledger import Key, Observation, Outcome
from policies.seen import FUTURE_SECONDS, LONGEST_SECONDS, ImageSeen, NodeSeen, PodSeen, Pull, PullState
from policies.starts import Part, Span, Start

SKEW_SECONDS = 2.0  # API times are whole seconds, and two machines' clocks differ
PULL_SECONDS = 10.0  # a container that takes longer to start, and of whose image nothing is known, has pulled it
NODE_SECONDS = 15.0  # no machine boots sooner: a node that comes sooner after a pod was asked for before it
PROBE_SECONDS = 3.0  # a pod that is Ready sooner after its engine began has no probe: when it served is unknown
PROVISION_SECONDS = 900.0  # after which Karpenter and the Cluster Autoscaler give up a machine
SOON_SECONDS = 5.0  # what is given up sooner says nothing
Keys = Mapping[Part, Key]


def start(
    pod: PodSeen,
    node: NodeSeen | None,
    image: ImageSeen,
    now_seconds: float,
    *,
    weights: Span | None = None,
    queued: bool = False,
) -> Start:
    """A start as it stands at `now_seconds`.

    `weights` came to the node without its own doing. `queued`: an older pod waited for a node as well, and it may have got that one's.
    """
    requested = pod.created_seconds
    if requested is None or not _possible(requested, requested, now_seconds):
        return Start(pod.name, pod.node, now_seconds, None)
    spans = [*_node(pod, node, requested, queued), *_image(pod, image, requested)]
    if pod.weights is not None:
        spans.append(Span(Part.WEIGHTS, *pod.weights, "pulled"))
    elif weights is not None:
        spans.append(weights)
    began, ready = pod.started_seconds, pod.ready_seconds
    if began is not None and ready is not None and ready - began >= PROBE_SECONDS and not pod.restarts:
        spans.append(Span(Part.WARMUP, began, ready))
    believed = tuple(
        Span(span.part, span.begin_seconds, max(span.begin_seconds, span.end_seconds), span.path)
        for span in spans
        if _possible(span.begin_seconds, span.end_seconds, now_seconds)
    )
    serving = ready if ready is not None and _possible(requested, ready, now_seconds) else None
    return Start(pod.name, pod.node, requested, serving, believed)


def _node(pod: PodSeen, node: NodeSeen | None, requested: float, queued: bool) -> Iterator[Span]:
    if node is None or node.created_seconds is None:
        return
    if pod.scheduled_seconds is not None and node.created_seconds > pod.scheduled_seconds + SKEW_SECONDS:
        return  # another node of that name
    if node.created_seconds < requested - SKEW_SECONDS:
        if pod.scheduled_seconds is not None:
            yield Span(Part.NODE, requested, pod.scheduled_seconds, "existing")
        return
    claimed = node.claimed_seconds
    if claimed is not None and claimed >= requested - SKEW_SECONDS:
        yield Span(Part.REACTION, requested, max(requested, claimed))
    begin = requested if claimed is None else claimed
    if claimed is not None or (not queued and node.created_seconds - begin >= NODE_SECONDS):
        yield Span(Part.NODE, begin, node.created_seconds)
    if node.gpu_seconds is not None:
        yield Span(Part.GPU, node.created_seconds, node.gpu_seconds)


def _image(pod: PodSeen, image: ImageSeen, requested: float) -> Iterator[Span]:
    pull, earlier, since, began = image.pull, image.earlier, pod.since_seconds, pod.started_seconds
    if pull is not None and pull.message.state is PullState.PULLED and _of(pod, pull):
        yield Span(Part.IMAGE, pull.begin_seconds, pull.at_seconds, "pulled")
    elif earlier is not None and earlier.at_seconds >= requested:  # for another pod, and in time for this one
        yield Span(Part.IMAGE, earlier.begin_seconds, earlier.at_seconds, "pulled")
    elif pull is not None and pull.message.state is PullState.PRESENT:
        yield Span(Part.IMAGE, pull.at_seconds, pull.at_seconds, "present")
    elif since is None:
        return
    elif image.listed:
        yield Span(Part.IMAGE, since, since, "present")
    elif began is not None and began - since >= PULL_SECONDS and pod.weights is None:
        yield Span(Part.IMAGE, since, began)  # the kubelet's Event was lost; pulling, and a second for the container


def _of(pod: PodSeen, pull: Pull) -> bool:
    """Whether a pull fits between what the pod itself shows: a tenant may write Events, but no pod's status."""
    since = -math.inf if pod.since_seconds is None else pod.since_seconds
    started = math.inf if pod.started_seconds is None else pod.started_seconds
    return since - FUTURE_SECONDS <= pull.begin_seconds and pull.at_seconds <= started + FUTURE_SECONDS


def _possible(begin: float, end: float, now_seconds: float) -> bool:
    return (
        math.isfinite(begin)
        and math.isfinite(end)
        and begin - SKEW_SECONDS <= end <= now_seconds + FUTURE_SECONDS
        and end - begin <= LONGEST_SECONDS
    )


def in_parts(of: Start, warmup: tuple[Span, ...]) -> Start:
    """The start with the parts of its warm-up in place of the whole, where there are any."""
    if not warmup:
        return of
    return replace(of, spans=(*[span for span in of.spans if span.part is not Part.WARMUP], *warmup))


def on_new_node(of: Start) -> bool:
    """Whether its node came after the request, so that nothing was on it."""
    return any(span.part in (Part.NODE, Part.GPU) and span.path != "existing" for span in of.spans)


def done(of: Start, keys: Keys) -> Iterator[Observation]:
    """The parts of a start that took place. A node or an image that was there already teaches nothing."""
    for span in of.spans:
        if span.part in keys and span.path not in ("existing", "present"):
            yield Observation(span.part, compiled(keys[span.part], span.path), span.seconds)


def given_up(pod: PodSeen, now_seconds: float) -> tuple[Part, float, Outcome] | None:
    """What became of the part that was under way when a pod went before it served: it failed, or took at least so long."""
    if pod.restarts:
        return Part.WARMUP, 0.0, Outcome.FAILED
    if pod.pull_failed:
        return Part.IMAGE, 0.0, Outcome.FAILED
    part, since = Part.NODE, pod.created_seconds
    if pod.started_seconds is not None:
        part, since = Part.WARMUP, pod.started_seconds
    elif pod.node:
        part, since = Part.IMAGE, pod.since_seconds
    if since is None or now_seconds - since < SOON_SECONDS or not _possible(since, now_seconds, now_seconds):
        return None
    if part is Part.NODE and now_seconds - since > PROVISION_SECONDS:
        # No machine was to be had, or none that the pod asks for: others' may come in time.
        return part, 0.0, Outcome.FAILED
    return part, now_seconds - since, Outcome.TIMED_OUT


def observations(of: Start, pod: PodSeen, keys: Keys, now_seconds: float) -> tuple[Observation, ...]:
    """What a start that has ended teaches, by the keys of its own node, image and model. A part without a key teaches nothing."""
    found = list(done(of, keys))
    if of.serving_seconds is None or pod.restarts:
        over = given_up(pod, now_seconds)
        if over is not None and over[0] in keys:
            found.append(Observation(over[0], keys[over[0]], over[1], over[2]))
    return tuple(found)
