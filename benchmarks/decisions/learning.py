"""What learning cold starts is worth: Outrider's GPU-hours with what is stated of them, right or wrong, and with what it learns.

    make benchmark BENCHMARK=--learning

On the traffic of the actuators' table, without actuators. The figures are kept in learning.json. Some six minutes of one core.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.decisions import actuators
from benchmarks.decisions.actuators import GOAL, OURS, PLAYED, SETTINGS, Played, gpu_hours_at, percent
from benchmarks.decisions.cases import Traffic
from crds.workload import Workload
from policies.supply import ColdStart, Stage, StageName
from replay.contenders import outrider
from replay.knobs import KNOBS
from replay.runs import Run
from replay.scenario.policy import default

FILE = Path(__file__).with_name("learning.json")
STATED = {"right": 1.0, "half as long": 0.5, "twice as long": 2.0}  # beside the truth
ENTRIES = {"stated": replace(OURS, make=outrider.make_stated), "learned": replace(OURS, make=outrider.make)}


class Key(NamedTuple):
    """What was played."""

    profile: str
    traffic: str
    stated: str
    by: str


Known = Mapping[Key, list[Played]]  # at each setting of Outrider
RIGHT = next(iter(STATED)), next(iter(ENTRIES))


def play(profile: str, traffic: Traffic, known: dict[Key, list[Played]]) -> None:
    """Outrider at all its settings on one traffic. Raises TraceError."""
    workload, scenario = default(profile), actuators.scenario(profile, traffic)
    for stated, factor in STATED.items():
        beside = replace(workload, cold_start=times(workload.cold_start, factor))
        for by, entry in ENTRIES.items():
            known[Key(profile, traffic.name, stated, by)] = [
                actuators.play_one(Run(str(share), entry, scenario, _attaining(beside, share)))
                for share in SETTINGS[OURS.key]
            ]


def _attaining(workload: Workload, share: float) -> Workload:
    return KNOBS["attainment"].turned(workload, share)


def times(cold_start: ColdStart, factor: float) -> ColdStart:
    """A cold start of which every stage takes so many times as long."""
    stages: dict[str, Stage] = {
        name: Stage(factor * stage.p50_seconds, factor * stage.p95_seconds)
        for name in StageName
        if (stage := getattr(cold_start, name)) is not None
    }
    return replace(cold_start, **stages)  # type: ignore[arg-type]


def stored() -> dict[Key, list[Played]]:
    """What was played last."""
    return {Key(*row["of"]): [(hours, share) for hours, share in row["played"]] for row in json.loads(FILE.read_text())}


def run(only: str) -> int:
    """Play the traffic whose name contains this, and keep the figures beside those of other traffic."""
    known = stored() if FILE.exists() else {}
    for profile, traffics in PLAYED.items():
        for traffic in (each for each in traffics if only in each.name):
            play(profile, traffic, known)
            actuators.store(known, FILE)
        for row in rows(known, profile):
            print(profile, *row, sep=" | ")
    return 0


def rows(known: Known, profile: str) -> Iterator[tuple[str, ...]]:
    """What each way comes to on each traffic that was played: by default, and at equal attainment; at last the median changes."""
    own = SETTINGS[OURS.key].index(default(profile).policy.attainment)
    ways = [(stated, by) for stated in STATED for by in ENTRIES]
    changes: dict[tuple[str, str], list[tuple[float, float]]] = {way: [] for way in ways}
    for traffic in (each.name for each in PLAYED[profile]):
        played = {way: known.get(Key(profile, traffic, *way), []) for way in ways}
        if not all(played.values()):
            continue
        share = min(GOAL, *(max(within for _, within in each) for each in played.values()))
        before, before_hours = played[RIGHT][own][0], gpu_hours_at(played[RIGHT], share) or 0.0
        for way, each in played.items():
            (hours, within), at_goal = each[own], gpu_hours_at(each, share) or 0.0
            changes[way].append((hours / before, at_goal / before_hours))
            by_default, equal = map(percent, changes[way][-1])
            yield (
                f"{traffic}, {share:.1%}",
                *way,
                f"{hours:,.1f} ({by_default}), {within:.2%}",
                f"{at_goal:,.1f} ({equal})",
            )
    for way, found in changes.items():
        if found:
            yield "median of all", *way, *(percent(median(column)) for column in zip(*found, strict=True))
