"""The cold start of a workload as it is known: learned where anything was seen, else as the policy or its profile has it."""

from collections.abc import Mapping
from dataclasses import replace

from policies import parts
from policies.keys import COMPILED, Kept, What, compiled, keys
from policies.ladder import lead_quantile_seconds
from policies.ledger import Key, Ledger, count
from policies.starts import Part
from policies.supply import NORMAL_P95, ColdStart, Stage


def cold_start(ledger: Ledger, what: What, prior: ColdStart) -> ColdStart:
    """What the next replica's start takes; the prior itself while nothing of it was seen.

    Where the engine loads the weights itself, only the sum of weights and warm-up is seen: both change in proportion.
    """
    weights, warmup = prior.weights, prior.warmup
    if what.weights_apart or weights is None:
        return parts.cold_start(ledger, _next(ledger, what), prior)
    whole = _sum(weights, warmup)
    found = parts.cold_start(ledger, _next(ledger, what), replace(prior, weights=None, warmup=whole))
    if found.warmup == whole:
        return replace(found, weights=weights, warmup=warmup)
    share50 = found.warmup.p50_seconds / whole.p50_seconds
    share95 = found.warmup.p95_seconds / whole.p95_seconds
    return replace(found, weights=_scaled(weights, share50, share95), warmup=_scaled(warmup, share50, share95))


def _next(ledger: Ledger, what: What) -> Mapping[Part, Key]:
    """The keys of the next start. It misses the compile cache, unless the cache is on a volume that others have hit.

    What was not seen to miss is taken as given: hits on a node of before must not shorten the lead to a new one.
    """
    found = keys(what)
    if what.way is None:
        return found
    hit, miss = (compiled(found[Part.COMPILE], path) for path in COMPILED)
    seen = {key for key in (hit, miss) if count(ledger, Part.COMPILE, key)}
    if seen:
        found[Part.COMPILE] = hit if hit in seen and what.compile_cache is Kept.SHARED else miss
    if what.compile_cache is Kept.NODE:
        found[Part.WARMUP] = compiled(found[Part.WARMUP], "miss")
    return found


def _scaled(stage: Stage, share50: float, share95: float) -> Stage:
    p50_seconds = stage.p50_seconds * share50
    return Stage(p50_seconds, max(p50_seconds, stage.p95_seconds * share95))


def _sum(first: Stage, second: Stage) -> Stage:
    alone = ColdStart(node=first, image=None, weights=None, warmup=second)
    return Stage(*[lead_quantile_seconds(alone, (), quantile) for quantile in (0.0, NORMAL_P95)])


def priors(what: What, prior: ColdStart) -> Mapping[Part, Stage]:
    """What the policy or its profile says of each part that is observed."""
    if what.weights_apart or prior.weights is None:
        return parts.part_priors(prior)
    return parts.part_priors(replace(prior, weights=None, warmup=_sum(prior.weights, prior.warmup)))
