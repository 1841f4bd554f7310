"""From one integer to a load and its faults."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.twin import faults as f
from tests.twin.faults import Fault, Pods, Times
from tests.twin.load import WARM_TICKS, Load, drawn
from tests.twin.pod import (
    COUNTERS,
    GAUGES,
    GENERATION_COUNT,
    GENERATION_SUM,
    HISTOGRAMS,
    PROMPT_COUNT,
    PROMPT_SUM,
)

FAULTS_PER_LOAD = 8  # schedules that share a load, and so its clean twin
COMBINED = "combined"
FAMILIES = (*COUNTERS, *GAUGES)
PAIRS = ((PROMPT_SUM, PROMPT_COUNT), (GENERATION_SUM, GENERATION_COUNT))
NOT_COUNTS = (math.nan, math.inf, -math.inf, -1.0, -1e300)

Maker = Callable[[random.Random, Load, dict[str, Any]], Fault]


@dataclass(frozen=True)
class Schedule:
    """A load, and what goes wrong."""

    seed: int
    load: Load
    faults: tuple[Fault, ...]

    @property
    def kind(self) -> str:
        return self.faults[0].kind if len(self.faults) == 1 else COMBINED

    @property
    def start(self) -> int:
        return min(each.start for each in self.faults)

    @property
    def end(self) -> float:
        return max(each.end for each in self.faults)

    @property
    def last(self) -> int:
        """The last tick that is played: 32 min after the fault, or 40 min into one that stays."""
        return self.start + 160 if math.isinf(self.end) else int(self.end) + 128


def schedule(seed: int) -> Schedule:
    """The schedule of a seed."""
    load = drawn(seed // FAULTS_PER_LOAD)
    rng = random.Random(f"faults {seed}")
    names = [name for name in KINDS if load.engines > 1 or name != "engine missing"]
    chosen = rng.sample(names, rng.choice((1, 1, 1, 1, 1, 2, 2, 3)))
    return Schedule(seed, load, tuple(_made(name, rng, load) for name in chosen))


def _made(name: str, rng: random.Random, load: Load) -> Fault:
    times = rng.choice((Times.ONCE, Times.REPEATED, Times.SPAN, Times.SPAN, Times.FOR_GOOD))
    common = {
        "kind": name,
        "times": times,
        "pods": rng.choice(tuple(Pods)),
        "start": WARM_TICKS + rng.randrange(8),
        "length": rng.choice((rng.randint(4, 20), rng.randint(20, 60))),  # 1 to 15 min
        "period": rng.randint(2, 5) if times is Times.REPEATED else 1,
        "magnitude": 10.0 ** rng.uniform(1.0, rng.choice((8.0, 308.0))),
        "share": rng.uniform(0.15, 0.9),
    }
    return KINDS[name](rng, load, common)


def _counters(rng: random.Random, common: dict[str, Any]) -> dict[str, Any]:
    """Which counters are wrong, and by how much: all of them together, as by another process, by what a process may count."""
    families = rng.choice((*((family,) for family in COUNTERS), *PAIRS, HISTOGRAMS, COUNTERS, COUNTERS, COUNTERS))
    magnitude = 10.0 ** rng.uniform(1.5, 5.5) if families == COUNTERS else common["magnitude"]
    return {**common, "families": families, "magnitude": magnitude}


def _spike(rng: random.Random, load: Load, common: dict[str, Any]) -> Fault:
    return f.Spike(**_counters(rng, common))


def _jump(rng: random.Random, load: Load, common: dict[str, Any]) -> Fault:
    return f.Jump(**_counters(rng, common))


def _not_a_count(rng: random.Random, load: Load, common: dict[str, Any]) -> Fault:
    return f.Spike(**{**common, "magnitude": rng.choice(NOT_COUNTS)}, families=(rng.choice(FAMILIES),))


def _gauge(rng: random.Random, load: Load, common: dict[str, Any]) -> Fault:
    return f.Spike(**common, families=rng.choice((*((family,) for family in GAUGES), GAUGES)))


def _reset(rng: random.Random, load: Load, common: dict[str, Any]) -> Fault:
    return f.Reset(**common, names=rng.random() < 0.5)


def _family(rng: random.Random, load: Load, common: dict[str, Any]) -> Fault:
    return f.Dropped(**common, families=(rng.choice(FAMILIES),))


def _histograms(rng: random.Random, load: Load, common: dict[str, Any]) -> Fault:
    return f.Dropped(**common, families=HISTOGRAMS)


def _half_histogram(rng: random.Random, load: Load, common: dict[str, Any]) -> Fault:
    pair = rng.randrange(2)  # a rule by suffix takes both histograms
    return f.Dropped(
        **common, families=rng.choice(((PAIRS[0][pair],), (PAIRS[1][pair],), (PAIRS[0][pair], PAIRS[1][pair])))
    )


def _engine(rng: random.Random, load: Load, common: dict[str, Any]) -> Fault:
    families = rng.choice((FAMILIES, HISTOGRAMS, (rng.choice(FAMILIES),)))
    return f.EngineLost(**common, families=families, unlabelled=rng.random() < 0.4)


def _gauges_frozen(rng: random.Random, load: Load, common: dict[str, Any]) -> Fault:
    return f.Frozen(**common, families=GAUGES)


def _restart(rng: random.Random, load: Load, common: dict[str, Any]) -> Fault:
    return f.Restart(**{**common, "times": Times.ONCE, "length": rng.choice((1, 2, 8, 40))})


def _clock_back(rng: random.Random, load: Load, common: dict[str, Any]) -> Fault:
    back = -math.floor(math.exp(rng.uniform(math.log(20.0), math.log(90_000.0))) / 15.0) * 15.0
    length = rng.choice((1, 2, 8, 40))
    return f.Restart(**{**common, "times": Times.ONCE, "length": length}, clock_seconds=back)


def _history(rng: random.Random, load: Load, common: dict[str, Any]) -> Fault:
    length = rng.choice((1, 2, 8, 40))
    return f.Restart(**{**common, "times": Times.ONCE, "length": length}, history_share=common["share"])


def _paused(rng: random.Random, load: Load, common: dict[str, Any]) -> Fault:
    return f.Paused(**{**common, "times": Times.ONCE, "length": rng.choice((2, 8, 40, 60))})


def _plain(made: Callable[..., Fault]) -> Maker:
    return lambda _rng, _load, common: made(**common)


KINDS: dict[str, Maker] = {
    "counter spike": _spike,
    "counter jump": _jump,
    "counters reset": _reset,
    "counters alternate": _plain(f.Alternate),
    "gauge spike": _gauge,
    "not a count": _not_a_count,
    "family missing": _family,
    "histograms missing": _histograms,
    "sum or count missing": _half_histogram,
    "engine missing": _engine,
    "body cut": _plain(f.Body),
    "body HTML": _plain(f.Body),
    "body empty": _plain(f.Body),
    "no answer": _plain(f.Body),
    "page frozen": _plain(f.Frozen),
    "gauges frozen": _gauges_frozen,
    "gauges stale": _plain(f.Stale),
    "another's page": _plain(f.AnothersPage),
    "clients hang up": _plain(f.HangUps),
    "pod list short": _plain(f.ShortList),
    "pods not ready": _plain(f.NotReady),
    "pods without engine": _plain(f.NoEngine),
    "supply unknown": _plain(f.SupplyUnknown),
    "restart": _restart,
    "clock set back": _clock_back,
    "history shows less": _history,
    "machine paused": _paused,
}
