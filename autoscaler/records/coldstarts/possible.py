"""Whether a logged start can have happened: a log may be damaged, and a name may be meant for the terminal that shows it."""

from crds.notation.timestamps import timestamp
from policies.log import Started
from policies.supply import ColdStart

MOST_SPANS = 64  # of one start; there are eleven parts
SHORTEST_SECONDS = 0.001
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
    if len(start.spans) > MOST_SPANS:
        raise ValueError(f"a start with {len(start.spans)} parts, more than {MOST_SPANS}")
    if max(times) - min(times) > LONGEST_SECONDS:
        raise ValueError("a start whose times are more than a week apart")
    for name in (started.policy, start.pod, start.node, *(span.path for span in start.spans)):
        if len(name) > NAME_CHARACTERS or not name.isprintable():
            raise ValueError(f"a name of over {NAME_CHARACTERS} characters, or with some that cannot be printed")
    if prior is not None:
        require_lengths(prior)


def require_lengths(cold_start: ColdStart) -> None:
    """Raises ValueError where a stage has none that can be computed with."""
    for stage in (cold_start.node, cold_start.gpu, cold_start.image, cold_start.weights, cold_start.warmup):
        if stage is not None and not SHORTEST_SECONDS <= stage.p50_seconds <= stage.p95_seconds <= LONGEST_SECONDS:
            raise ValueError("a stage whose median and 95th percentile are not in order, or not from 1 ms to a week")
