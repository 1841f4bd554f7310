"""How long each part of a cold start takes here, and how often it fails: a fold over what was observed, with shrinkage.

A key goes from general to specific, and its prefixes are its parents: an observation teaches all of them, and a key that was seen
little is taken to be like its parent, the first like the prior. What is old counts for less. A part that timed out took at least
that long; one that failed says nothing about its duration.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from policies.belief import KEPT, PRIOR, RECENT, Belief, Moments, from_stage
from policies.errors import CodecError
from policies.starts import Part
from policies.supply import NORMAL_P95, Stage

Key = tuple[str, ...]

MOST_KEYS = 4096  # of one part, parents included: three of each of 1,000 policies; those not seen for longest go first
MOST_DEPTH = 4
LONGEST = 255  # characters of one item of a key
LEAST_SECONDS = 0.5  # what is shorter is within the clocks' resolution of 1 s
MOST_SECONDS = 86_400.0
MOST_COUNT = 30.0  # 1 / (1 - KEPT) is 29.4
LEAST, MOST = math.log(LEAST_SECONDS), math.log(MOST_SECONDS)
ROUNDING = 1e-6  # of a mean of durations
MOST_VARIANCE = (MOST - LEAST) ** 2
MOST_SQUARES = 2.0 * MOST_COUNT * MOST_VARIANCE
FAILURES = 0.02  # the share of parts that fail, before any was seen: instances out of stock, on demand
USUAL = 3.09  # the standard normal quantile of 99.9 %: of ten parts each, one start in fifty is outside
KNOWN = 5.0  # observations from which a range counts as learned


class Outcome(StrEnum):
    """How a part ended."""

    DONE = "done"
    TIMED_OUT = "timed_out"  # given up: it would have taken longer
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Observation:
    """A part of a start that took place: an image that was on the node already says nothing about pulls."""

    part: Part
    key: Key
    seconds: float
    outcome: Outcome = Outcome.DONE


@dataclass(frozen=True, slots=True)
class Entry:
    """What was seen of one key, and of all below it."""

    seen: int = 0
    durations: Moments = field(default_factory=Moments)
    done: float = 0.0
    failed: float = 0.0


@dataclass(frozen=True, slots=True)
class Ledger:
    """By part and key; within a part, the key seen last comes last."""

    entries: Mapping[Part, Mapping[Key, Entry]] = field(default_factory=dict)


def problem(observation: Observation) -> str:
    """Why nothing can be learned from an observation; empty if it can."""
    key, seconds = observation.key, observation.seconds
    if not 0.0 <= seconds <= MOST_SECONDS:  # of NaN too
        return f"{seconds:g} s is no duration from 0 to {MOST_SECONDS:g} s"
    if not 1 <= len(key) <= MOST_DEPTH:
        return f"a key has 1 to {MOST_DEPTH} items, not {len(key)}"
    if not all(item.isascii() and item.isprintable() and len(item) <= LONGEST for item in key):
        return f"an item of a key has at most {LONGEST} characters, all of them printable ASCII"
    return ""


def observe(ledger: Ledger, observation: Observation, prior: Stage) -> Ledger:
    """The ledger with an observation, which is left out if it has a `problem`."""
    if problem(observation):
        return ledger
    part, key = observation.part, observation.key
    entries = dict(ledger.entries.get(part, {}))
    for depth in range(len(key), 0, -1):  # parents last, so that none goes before what is below it
        at = key[:depth]
        entries[at] = _after(entries.pop(at, Entry()), observation, _belief(ledger, part, at, prior))
    for oldest in list(entries)[: max(0, len(entries) - MOST_KEYS)]:
        del entries[oldest]
    return Ledger({**ledger.entries, part: entries})


def learned(ledger: Ledger, part: Part, key: Key, prior: Stage) -> Stage:
    """How long the next one takes: the prior itself where nothing was seen."""
    belief = _belief(ledger, part, key, prior)
    if belief == from_stage(prior):
        return prior
    return Stage(*[math.exp(min(belief.log_quantile(each), MOST)) for each in (0.0, NORMAL_P95)])


def failure_rate(ledger: Ledger, part: Part, key: Key) -> float:
    """The probability that the next one fails, from 0 to 1."""
    rate = FAILURES
    for entry in _chain(ledger, part, key):
        rate = (PRIOR * rate + entry.failed) / (PRIOR + entry.failed + entry.done)
    return rate


def usual(ledger: Ledger, part: Part, key: Key, prior: Stage, seconds: float) -> bool:
    """Whether a duration is within the learned range; true where too little was seen to know."""
    entry = ledger.entries.get(part, {}).get(key)
    if entry is None or entry.durations.count < KNOWN:
        return True
    belief = _belief(ledger, part, key, prior)
    return belief.log_quantile(-USUAL) <= math.log(max(seconds, LEAST_SECONDS)) <= belief.log_quantile(USUAL)


def count(ledger: Ledger, part: Part, key: Key) -> float:
    """How many observations what is learned of a part rests on, its parents' included."""
    return max([entry.durations.count for entry in _chain(ledger, part, key)], default=0.0)


@dataclass(frozen=True, slots=True)
class Row:
    """One entry, as it is saved."""

    part: Part
    key: Key
    entry: Entry


@dataclass(frozen=True, slots=True)
class Saved:
    """A ledger as plain data: see `policies.codec`."""

    rows: tuple[Row, ...] = ()


def saved(ledger: Ledger) -> Saved:
    """The ledger's rows."""
    return Saved(tuple([Row(part, *item) for part, entries in ledger.entries.items() for item in entries.items()]))


def restored(rows: Saved) -> Ledger:
    """The ledger that was saved. Raises CodecError for rows that no ledger has."""
    entries: dict[Part, dict[Key, Entry]] = {}
    for row in rows.rows:
        if why := problem(Observation(row.part, row.key, 0.0)) or _impossible(row.entry):
            raise CodecError(f"{row.part} {'/'.join(row.key)!r:.200}: {why}")
        entries.setdefault(row.part, {})[row.key] = row.entry
    if any(len(of_part) > MOST_KEYS for of_part in entries.values()):
        raise CodecError(f"a part has more than {MOST_KEYS} keys")
    return Ledger(entries)


def _impossible(entry: Entry) -> str:
    durations = entry.durations
    if min(entry.seen, durations.count, durations.squares, entry.done, entry.failed) < 0:
        return "a count or a sum of squares is negative"
    if max(durations.count, entry.done, entry.failed) > MOST_COUNT or durations.squares > MOST_SQUARES:
        return "a count or a sum of squares is greater than any key can have"
    if durations.count and not all(
        LEAST - ROUNDING <= each <= MOST + ROUNDING for each in (durations.mean, *durations.recent)
    ):
        return f"a duration is not from {LEAST_SECONDS:g} to {MOST_SECONDS:g} s"
    if 0.0 < durations.count < 1.0 or len(durations.recent) > min(RECENT, entry.seen):
        return "the durations are not those of whole observations"
    if durations.count == 0.0 and durations != Moments():
        return "the durations are not those of whole observations"
    return ""


def _after(entry: Entry, observation: Observation, belief: Belief) -> Entry:
    seen, log_seconds = entry.seen + 1, math.log(max(observation.seconds, LEAST_SECONDS))
    if observation.outcome is Outcome.FAILED:
        return Entry(seen, entry.durations, entry.done * KEPT, entry.failed * KEPT + 1.0)
    if observation.outcome is Outcome.TIMED_OUT:
        mean, variance = belief.beyond(log_seconds)
        return Entry(
            seen, entry.durations.seen(min(mean, MOST), min(variance, MOST_VARIANCE)), entry.done, entry.failed
        )
    return Entry(seen, entry.durations.seen(log_seconds), entry.done * KEPT + 1.0, entry.failed * KEPT)


def _belief(ledger: Ledger, part: Part, key: Key, prior: Stage) -> Belief:
    belief = from_stage(prior)
    for entry in _chain(ledger, part, key):
        belief = belief.as_prior().after(entry.durations)
    return belief if key in ledger.entries.get(part, {}) else belief.as_prior()


def _chain(ledger: Ledger, part: Part, key: Key) -> Iterator[Entry]:
    """The entries from the most general to the key's own, without parents that saw nothing else than the one below."""
    entries = ledger.entries.get(part, {})
    found = [entries.get(key[:depth]) for depth in range(1, len(key) + 1)]
    for entry, below in pairwise([*found, None]):
        if entry is not None and (below is None or below.seen != entry.seen):
            yield entry
