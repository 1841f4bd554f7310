"""The cold start that a ledger knows, put together from its parts; and what the given one says of a part that was not seen."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from policies.ledger import Key, Ledger, count, learned
from policies.starts import WARMUP_PARTS, Part
from policies.supply import NORMAL_P95, ColdStart, Stage

# Medians in seconds, of an 8B model on an L4. What counts is their shares of the whole.
NODE_SECONDS: Mapping[Part, float] = {Part.REACTION: 2.0, Part.NODE: 36.0, Part.GPU: 37.0}
WARMUP_SECONDS: Mapping[Part, float] = dict(zip(WARMUP_PARTS, (60.0, 12.0, 50.0, 22.0, 5.0), strict=True))


@lru_cache(maxsize=1024)
def part_priors(cold_start: ColdStart) -> Mapping[Part, Stage]:
    """What a given cold start says of each part. Of a stage that it does not have there is no part.

    The parts of a stage have shares of its mean, and together its variance.
    """
    node = {part: share for part, share in NODE_SECONDS.items() if part is not Part.GPU or cold_start.gpu is None}
    whole = {
        Part.GPU: cold_start.gpu,
        Part.IMAGE: cold_start.image,
        Part.WEIGHTS: cold_start.weights,
        Part.WARMUP: cold_start.warmup,
    }
    priors = {part: stage for part, stage in whole.items() if stage is not None}
    return priors | _split(cold_start.node, node) | _split(cold_start.warmup, WARMUP_SECONDS)


def cold_start(ledger: Ledger, keys: Mapping[Part, Key], prior: ColdStart) -> ColdStart:
    """The cold start as learned, by the keys of what would be started. A stage of which nothing was seen is the prior's.

    A node that is given until its GPU is allocatable is split in two once GPUs were seen. The warm-up is learned as a whole,
    unless its parts were seen more often.
    """
    priors = part_priors(prior)
    seen = {part: count(ledger, part, keys.get(part, ())) for part in Part}
    if prior.gpu is None and seen[Part.GPU]:
        prior = replace(prior, node=_sum([priors[Part.REACTION], priors[Part.NODE]]), gpu=priors[Part.GPU])
    # Without NodeClaims a node is seen from the request on, the reaction included.
    node = [Part.NODE] if seen[Part.NODE] and not seen[Part.REACTION] else [Part.REACTION, Part.NODE]

    def together(whole: Stage, *parts: Part) -> Stage:
        if not any(seen[part] for part in parts):
            return whole
        return _sum([learned(ledger, part, keys.get(part, ()), priors[part]) for part in parts])

    in_parts = max(seen[part] for part in WARMUP_PARTS) > seen[Part.WARMUP]
    return replace(
        prior,
        node=together(prior.node, *node, *([] if prior.gpu else [Part.GPU])),
        gpu=prior.gpu and together(prior.gpu, Part.GPU),
        image=prior.image and together(prior.image, Part.IMAGE),
        weights=prior.weights and together(prior.weights, Part.WEIGHTS),
        warmup=together(prior.warmup, *(WARMUP_PARTS if in_parts else [Part.WARMUP])),
    )


def _split(whole: Stage, shares: Mapping[Part, float]) -> dict[Part, Stage]:
    mean, variance = _moments(whole)
    total = sum(shares.values())
    squares = sum((share / total) ** 2 for share in shares.values())
    relative = variance / mean**2 / squares  # variance of a part, over its squared mean
    return {part: _log_normal(mean * share / total, relative) for part, share in shares.items()}


def _sum(stages: Sequence[Stage]) -> Stage:
    """The log-normal with the mean and variance of the sum (Fenton-Wilkinson)."""
    if len(stages) == 1:
        return stages[0]
    moments = [_moments(stage) for stage in stages]
    mean = sum(mean for mean, _ in moments)
    return _log_normal(mean, sum(variance for _, variance in moments) / mean**2)


def _moments(stage: Stage) -> tuple[float, float]:
    mean = stage.p50_seconds * math.exp(stage.sigma**2 / 2)
    return mean, mean**2 * math.expm1(stage.sigma**2)


def _log_normal(mean: float, relative_variance: float) -> Stage:
    sigma2 = math.log1p(relative_variance)
    p50_seconds = mean * math.exp(-sigma2 / 2)
    return Stage(p50_seconds, p50_seconds * math.exp(NORMAL_P95 * math.sqrt(sigma2)))
