"""Whether a logged start can have happened: a log may be damaged, and a name may be meant for the terminal that shows it."""

from crds.notation.timestamps import timestamp
from policies.log import Started

MOST_SPANS = 64  # of one start; there are eleven parts
LONGEST_SECONDS = 7 * 86_400.0
NAME_CHARACTERS = 253  # of a name in Kubernetes


def require_possible(started: Started) -> None:
    """Raises one of `policies.log.NONSENSE` for what no start can be."""
    start, prior = started.start, started.prior
    timestamp(start.requested_seconds)
    times = [at for span in start.spans for at in (span.begin_seconds, span.end_seconds)]
    times += (
        [start.requested_seconds] if start.serving_seconds is None else [start.requested_seconds, start.serving_seconds]
    )
    if len(start.spans) > MOST_SPANS or max(times) - min(times) > LONGEST_SECONDS:
        raise ValueError(f"a start of over {MOST_SPANS} parts, or of over a week")
    for name in (started.policy, start.pod, start.node, *(span.path for span in start.spans)):
        if len(name) > NAME_CHARACTERS or not name.isprintable():
            raise ValueError("a name that nothing can have")
    for stage in (prior.node, prior.gpu, prior.image, prior.weights, prior.warmup):
        if stage is not None and not 0.0 < stage.p50_seconds <= stage.p95_seconds:
            raise ValueError("a stage without a length")
