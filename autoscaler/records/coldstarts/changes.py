"""Ways to shorten a start, each as the cold start that it would leave."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from autoscaler.records.coldstarts.stages import part_seconds
from policies.starts import Part, Start
from policies.supply import ColdStart, Stage, StageName

HIT_SHARE = (
    0.44  # of a compile without a cache that one with it takes, where none was seen: vLLM on an L4; on an H100, 0.24
)
PROBE_SECONDS = 1.0  # of a readiness probe every second
LEAST_SECONDS = 1.0  # of a stage that is left
Cut = Callable[[ColdStart], ColdStart]


@dataclass(frozen=True, slots=True)
class Change:
    """One way. Without a `cut`, `unknown` says what would have to be seen to know what it saves."""

    name: str  # in JSON
    title: str
    cut: Cut | None
    unknown: str = ""
    is_removal: bool = True  # of a stage; else it goes on beside others


def changes(cold_start: ColdStart, starts: Sequence[Start]) -> list[Change]:
    """What would shorten these starts, by stage; last, all removals together."""
    found: list[Change] = []
    if cold_start.image is not None:
        found.append(Change("image_on_node", "baked or streamed image", lambda now: replace(now, image=None)))
        found += _ahead(cold_start, StageName.IMAGE, "image pre-pull")
    if cold_start.weights is not None:
        found.append(Change("weights_on_node", "weights on the node", lambda now: replace(now, weights=None)))
        found += _ahead(cold_start, StageName.WEIGHTS, "weights prefetch")
    found += [_compile_cache(starts), _faster_probe(starts)]
    removals = [each.cut for each in found if each.is_removal and each.cut is not None]
    if len(removals) > 1:
        found.append(Change("all", "all that remove a stage", _together(removals)))
    return found


def _ahead(cold_start: ColdStart, stage: StageName, title: str) -> list[Change]:
    """Nothing where the stage goes ahead already."""
    if stage in cold_start.ahead:
        return []
    return [Change(f"{stage}_ahead", title, lambda now: replace(now, ahead=(*now.ahead, stage)), is_removal=False)]


def _together(cuts: Sequence[Cut]) -> Cut:
    def all_of(cold_start: ColdStart) -> ColdStart:
        for cut in cuts:
            cold_start = cut(cold_start)
        return cold_start

    return all_of


def _compile_cache(starts: Sequence[Start]) -> Change:
    """By the compiles that missed: their share of all, and what each took beyond one that hit."""
    name, title = "compile_cache", "compile cache"
    hits, misses = (part_seconds(starts, Part.COMPILE, path) for path in ("hit", "miss"))
    if not hits and not misses:
        return Change(name, title, None, "how long compiling took was not seen; it is read from the engine's log")
    if not misses:
        return Change(name, title, _shorter(0.0))
    hit_seconds = median(hits) if hits else HIT_SHARE * median(misses)
    share = len(misses) / (len(hits) + len(misses))
    return Change(name, title, _shorter(max(0.0, share * (median(misses) - hit_seconds))))


def _faster_probe(starts: Sequence[Start]) -> Change:
    name, title = "faster_probe", "probe every second"
    seconds = part_seconds(starts, Part.PROBE, "")
    if not seconds:
        unknown = "how long the engine was up before its pod was Ready was not seen; it is read from the engine's log"
        return Change(name, title, None, unknown)
    return Change(name, title, _shorter(max(0.0, median(seconds) - PROBE_SECONDS)))


def _shorter(seconds: float) -> Cut:
    """A warm-up that takes so much less at every quantile."""

    def cut(cold_start: ColdStart) -> ColdStart:
        warmup = cold_start.warmup
        p50 = max(min(LEAST_SECONDS, warmup.p50_seconds), warmup.p50_seconds - seconds)
        return replace(cold_start, warmup=Stage(p50, max(p50, warmup.p95_seconds - seconds)))

    return cut
