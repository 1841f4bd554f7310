"""What the reading of each pod is worth, judged before anything is computed from it.

A reading must be possible before it is believed: bounded by what an engine can do, and consistent with itself and with the
previous one. What fails is unknown for this tick: it adds nothing to any sum, and coverage falls. The next reading is compared with
it all the same, so that a jump never counts later as growth.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from policies.capacity import request_work_seconds
from policies.model import Filters, Inputs, PodMark, PodSample, Policy, Reading, Signal, State, Tokens, Verdict
from policies.physics import COUNTERS, HISTOGRAMS, PAGE_REQUESTS, SPEED_FACTOR, fell, growth, possible, possible_growth
from policies.supply import Role, StageName, Supply

STALE_SECONDS = 30.0  # two grid steps
START_SECONDS = 1.0  # two starts of one process differ by less
HURRY = 5.0  # times the work of a replica at full load: profiles may be wrong by three
FELL_SECONDS = 600.0  # after a fall, how long counters as high as before are those of another process
STILL_HURRIED = 2.5  # the same where the reading before was: a pod near the bound is not doubted again and again
STUCK_SECONDS = 120.0  # a long prefill moves nothing for less
NORMAL = (Verdict.COUNTED, Verdict.STARTING, Verdict.FIRST, Verdict.UNCHANGED)
FAULTS = frozenset(Verdict).difference(NORMAL)

_ZERO: dict[str, Any] = dict.fromkeys(("running", "waiting", *COUNTERS, "queue_times_total", "late_total"), 0.0)


@dataclass(frozen=True, slots=True)
class Judged:
    """One pod's reading with its verdict."""

    pod: str
    verdict: Verdict
    sample: PodSample | None = None  # None where none can be used
    before: PodSample | None = None  # what the growth of a counted reading is taken from
    mark: PodMark | None = None  # to compare the next reading with
    queue: bool = False  # its running and waiting requests are believed

    @property
    def reading(self) -> Reading:
        """The verdict alone."""
        return Reading(self.pod, self.verdict)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What every reading is judged by."""

    policy: Policy
    filters: Filters
    now_seconds: float
    work_seconds: float  # of the mean request lately; 0 while unknown


def judge(policy: Policy, state: State, inputs: Inputs) -> list[Judged]:
    """The reading of every pod of the target, by name. Without supply, of every pod that has a sample.

    A pod that is not ready counts as soon as it has a reading: it may fail its probe because it is overloaded.
    """
    newest: dict[str, PodSample] = {}
    for sample in inputs.samples:
        known = newest.get(sample.pod)
        if known is None or sample.at_seconds > known.at_seconds:
            newest[sample.pod] = sample
    marks = {mark.reading.pod: mark for mark in state.filters.marks}
    seen = _seen(policy, state, inputs.now_seconds)
    supply = inputs.supply
    serving = dict.fromkeys(newest, True) if supply is None else _serving(supply, inputs.now_seconds)
    return [_judge(seen, pod, newest.get(pod), marks.get(pod), serves) for pod, serves in sorted(serving.items())]


def counts(policy: Policy, state: State, sample: PodSample, now_seconds: float) -> bool:
    """Whether the growth that the newest reading of a pod shows is counted."""
    mark = next((mark for mark in state.filters.marks if mark.reading.pod == sample.pod), None)
    return _judge(_seen(policy, state, now_seconds), sample.pod, sample, mark, serves=True).verdict is Verdict.COUNTED


def _seen(policy: Policy, state: State, now_seconds: float) -> _Seen:
    work = request_work_seconds(policy.engine, state.capacity, state.filters.tokens)
    return _Seen(policy, state.filters, now_seconds, 0.0 if work is None else work)


def _serving(supply: Supply, now_seconds: float) -> dict[str, bool | None]:
    """Whether each replica serves; None where it began to do so just now, and may not have been read yet."""
    return {
        unit.name: StageName.WARMUP in unit.done
        and (None if now_seconds - (unit.since_seconds or -math.inf) <= STALE_SECONDS else True)
        for unit in supply.units
        if unit.role is Role.REPLICA
    }


def _judge(seen: _Seen, pod: str, sample: PodSample | None, mark: PodMark | None, serves: bool | None) -> Judged:
    policy, filters = seen.policy, seen.filters
    if sample is None:
        return Judged(pod, _unread(mark, serves), mark=mark)
    if (useless := _useless(policy, seen.now_seconds, sample)) is not None:
        return Judged(pod, useless, mark=mark)
    if _unused(sample):
        sample = replace(sample, running=0.0, waiting=0.0)
    if _lacks_gauges(sample, mark) or (policy.signal is Signal.WORK and _lacks_counters(filters.tokens, sample, mark)):
        kept = PodMark(_merged(sample, mark), comparable=False)
        shown = sample.running is not None and sample.waiting is not None
        queue = shown and (mark is None or _works(mark.reading, sample))
        return Judged(pod, Verdict.INCOMPLETE, sample, mark=kept, queue=queue)
    if mark is None:
        mark = from_zero(filters, sample)
    if mark is None:
        return Judged(pod, Verdict.FIRST, sample, mark=PodMark(sample), queue=True)
    verdict, hurried = _compared(seen, mark, sample), _hurried(seen.work_seconds, mark, sample)
    if verdict is Verdict.COUNTED and hurried and not mark.hurried:
        verdict = Verdict.IMPOSSIBLE  # unless the next reading grows alike: then requests have become shorter
    if verdict in (Verdict.UNCHANGED, Verdict.STUCK):
        is_new = sample.at_seconds > mark.reading.at_seconds
        return Judged(pod, verdict, None if is_new else sample, mark=mark, queue=not is_new)
    before = mark.reading if verdict is Verdict.COUNTED else None
    return Judged(pod, verdict, sample, before, _moved(mark, sample, verdict, hurried=hurried), queue=True)


def _useless(policy: Policy, now_seconds: float, sample: PodSample) -> Verdict | None:
    """The verdict on a sample that says nothing at all; None if it says something."""
    # A sample from the future is as stale as an equally old one: its clock is wrong.
    if abs(now_seconds - sample.at_seconds) > STALE_SECONDS:
        return Verdict.STALE
    if sample.asleep:
        return Verdict.ASLEEP
    return None if possible(policy.engine, sample) else Verdict.IMPOSSIBLE


def _compared(seen: _Seen, mark: PodMark, sample: PodSample) -> Verdict:
    before = mark.reading
    if mark.comparable and sample.at_seconds <= before.at_seconds:
        return Verdict.UNCHANGED
    if mark.comparable and _still(before, sample):
        return Verdict.STUCK if sample.at_seconds - before.at_seconds >= STUCK_SECONDS else Verdict.UNCHANGED
    if _other_process(before, sample) or fell(before, sample):
        return Verdict.RESET
    if mark.fell is not None and arrived(sample) >= mark.fell[1] and not _grew(seen.work_seconds, mark, sample):
        return Verdict.RESET  # what fell is back: two processes answer in turn, or an old page was shown
    if not mark.comparable:
        return Verdict.FIRST
    is_possible = possible_growth(seen.policy.engine, seen.filters.tokens, before, sample)
    return Verdict.COUNTED if is_possible else Verdict.IMPOSSIBLE


def _hurried(work_seconds: float, mark: PodMark, sample: PodSample) -> bool:
    """Whether more requests ended or were rejected than is likely, if they are like those that came lately."""
    before, most = mark.reading, STILL_HURRIED if mark.hurried else HURRY
    held = (before.running or 0.0) + (before.waiting or 0.0) + PAGE_REQUESTS
    full_seconds = sample.at_seconds - before.at_seconds
    finished = growth(before.finished_total, sample.finished_total)
    rejected = growth(before.rejected_total, sample.rejected_total)
    return (finished - held) * work_seconds > most * full_seconds or (
        (rejected - held) * work_seconds > SPEED_FACTOR * full_seconds
    )


def _grew(work_seconds: float, mark: PodMark, sample: PodSample) -> bool:
    """Whether as many requests came since the last reading as may come, as to a young process that passes the one before."""
    came = arrived(sample) - arrived(mark.reading)
    span_seconds = sample.at_seconds - mark.reading.at_seconds
    return mark.comparable and 0.0 < came * work_seconds <= STILL_HURRIED * span_seconds


def _moved(mark: PodMark, sample: PodSample, verdict: Verdict, *, hurried: bool) -> PodMark:
    """What the next reading is compared with. After a fall, one more has to show which counters go on."""
    if verdict is not Verdict.RESET:
        lately = mark.fell is not None and sample.at_seconds - mark.fell[0] <= FELL_SECONDS
        return PodMark(sample, fell=mark.fell if lately else None, hurried=hurried)
    was = max(arrived(mark.reading), 0.0 if mark.fell is None else mark.fell[1])
    return PodMark(sample, comparable=False, fell=(sample.at_seconds, was) if arrived(sample) < was else None)


def _other_process(before: PodSample, sample: PodSample) -> bool:
    """Whether another process shows these counters: what came to the one before since its reading is not known."""
    if before.started_seconds is None or sample.started_seconds is None:
        return False
    return abs(sample.started_seconds - before.started_seconds) > START_SECONDS


def _unread(mark: PodMark | None, serves: bool | None) -> Verdict:
    if mark is not None or serves:
        return Verdict.UNREAD
    return Verdict.STARTING if serves is False else Verdict.FIRST


def _unused(sample: PodSample) -> bool:
    """Whether the engine has had no request yet. With several API servers it shows no gauges until then."""
    if sample.running is not None or sample.waiting is not None or sample.finished_total != 0.0:
        return False
    return not (sample.prompt_tokens_total or sample.generation_tokens_total or sample.rejected_total)


def _lacks_gauges(sample: PodSample, mark: PodMark | None) -> bool:
    """Whether a gauge is missing, or an engine that the same process showed before."""
    if sample.running is None or sample.waiting is None:
        return True
    if mark is None or _other_process(mark.reading, sample):
        return False  # another process may have other engines
    return (sample.engines or math.inf) < (mark.reading.engines or 0.0)


def _lacks_counters(tokens: Tokens, sample: PodSample, mark: PodMark | None) -> bool:
    """Whether something is missing that the pod had before or, once tokens have been seen anywhere, that they need.

    Sums and counts are taken together or not at all, and cached tokens only beside those that were read.
    """
    lacking = sum([getattr(sample, name) is None for name in HISTOGRAMS])
    if sample.finished_total is None or 0 < lacking < len(HISTOGRAMS) or (lacking and tokens.requests >= 1.0):
        return True
    if sample.prompt_tokens_total is None and sample.cached_prompt_tokens_total is not None:
        return True
    if mark is None or _other_process(mark.reading, sample):
        return False  # another process may count less
    return any(getattr(sample, name) is None and getattr(mark.reading, name) is not None for name in COUNTERS)


def _merged(sample: PodSample, mark: PodMark | None) -> PodSample:
    """The sample; a counter that it lacks keeps its last value, so that it is still known to have been there."""
    if mark is None:
        return sample
    old = mark.reading
    kept = {
        name: value
        for name in (*COUNTERS, "running", "waiting")
        if getattr(sample, name) is None and (value := getattr(old, name)) is not None
    }
    if sample.engines is None or (old.engines is not None and old.engines > sample.engines):
        kept["engines"] = old.engines
    return replace(sample, **kept) if kept else sample


def from_zero(filters: Filters, sample: PodSample) -> PodMark | None:
    """What a new pod's first reading is compared with: its counters were zero when its process started, if that was lately."""
    since = filters.tick_seconds
    if since is None or sample.started_seconds is None or not since <= sample.started_seconds < sample.at_seconds:
        return None
    return PodMark(PodSample(sample.pod, since, sample.started_seconds, engines=sample.engines, **_ZERO))


def arrived(sample: PodSample) -> float:
    """Requests that have arrived at the pod since its process started, except those whose client hung up."""
    running, waiting = sample.running or 0.0, sample.waiting or 0.0
    return (sample.finished_total or 0.0) + running + waiting + (sample.rejected_total or 0.0)


def _works(before: PodSample, sample: PodSample) -> bool:
    """Whether any counter went up."""
    return any(growth(getattr(before, name), getattr(sample, name)) > 0.0 for name in COUNTERS)


def _still(before: PodSample, sample: PodSample) -> bool:
    """Whether no counter of an engine moved although it was busy, or has requests waiting: it works, but for a long prefill."""
    was_busy = (before.running or 0.0) + (before.waiting or 0.0) > 0.0
    return (
        (bool(sample.waiting) or (was_busy and bool(sample.running)))
        and sample.generation_tokens_total is not None
        and sample.generation_tokens_total == before.generation_tokens_total
        and sample.prompt_tokens_total == before.prompt_tokens_total
        and sample.finished_total == before.finished_total
        and sample.rejected_total == before.rejected_total
    )
