"""What each actuator is worth: GPU-hours at equal attainment on hours of public traffic, for Outrider, a peer and the clairvoyant.

    make benchmark BENCHMARK=--actuators

Every contender has the same actuators: the rows of a traffic credit the actuators, and the columns the algorithm. The figures are
kept in actuators.json, which the benchmark's page shows. Some six minutes of one core.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple, TypeVar

from benchmarks.decisions.cases import HOUR, Traffic
from crds.notation.units import DAY_SECONDS
from crds.workload import WeightsMethod
from replay.contenders import token_rate
from replay.contenders.registry import CONTENDERS
from replay.knobs import KNOBS
from replay.optimum import best
from replay.runs import Run
from replay.scenario.actuators import NO_ACTUATORS, Actuators, CompileCache
from replay.scenario.build import for_workload
from replay.scenario.policy import default
from replay.scenario.scenario import Scenario

FILE = Path(__file__).with_name("actuators.json")
OURS, PEER = CONTENDERS[0], token_rate.ENTRY
CLAIRVOYANT = "clairvoyant"
GOAL = 0.99  # share of the requests within 5 s; less where Outrider attains less
BOTH = Actuators(pre_pull=True, weights=WeightsMethod.PREFETCH)
VARIANTS = {
    "none: one stage after the other": NO_ACTUATORS,
    "image pre-pull": Actuators(pre_pull=True),
    "weights prefetch": Actuators(weights=WeightsMethod.PREFETCH),
    "both: driver, image and weights side by side": BOTH,
    "both, and a compile cache on a volume": replace(BOTH, compile_cache=CompileCache.VOLUME),
}
NONE = next(iter(VARIANTS))
SETTINGS: dict[str, tuple[float, ...]] = {
    OURS.key: (0.6, 0.85, 0.97, 0.99, 0.997),  # slo.attainment
    PEER.key: (0.95, 0.85, 0.75, 0.65, 0.55, 0.45, 0.35),  # of a replica's capacity
}
CONV, SMALL = "azure2024_conv_d0-3_10s", "servegen_small_all_s40_d0-8_1s"
PLAYED = {  # L4s do a tenth of the work of H100s
    "8b-h100": (
        Traffic("azure 2023 x10", "azure2023_conv", 10.0),
        Traffic("mooncake x10", "mooncake_conversation", 10.0),
        Traffic("small x5, 2 hours", SMALL, 5.0, 1.0 + 20 * HOUR, 2 * HOUR),
        Traffic("azure conv x3, 2 hours", CONV, 3.0, 2.0 + 13 * HOUR, 2 * HOUR),
    ),
    "8b-l4": (
        Traffic("azure 2023 x2", "azure2023_conv", 2.0),
        Traffic("mooncake x1", "mooncake_conversation", 1.0),
        Traffic("small x1, 2 hours", SMALL, 1.0, 1.0 + 20 * HOUR, 2 * HOUR),
        Traffic("azure conv x0.6, 2 hours", CONV, 0.6, 2.0 + 13 * HOUR, 2 * HOUR),
    ),
}


class Key(NamedTuple):
    """What was played."""

    profile: str
    traffic: str
    actuators: str
    contender: str


Played = tuple[float, float]  # GPU-hours, and the share of the requests within 5 s
K = TypeVar("K", bound=tuple[str, ...])
Known = Mapping[Key, list[Played]]  # at each setting; the clairvoyant's is one


def gpu_hours_at(played: Iterable[Played], attainment: float) -> float | None:
    """GPU-hours at an attainment: on the frontier, linear in the logarithm of the share of late requests.

    None where no setting attains as much. Where every setting attains more, the cheapest.
    """
    frontier: list[Played] = []
    for hours, share in sorted(played):
        if not frontier or share > frontier[-1][1]:
            frontier.append((hours, share))
    if not frontier or frontier[-1][1] < attainment:
        return None
    for (less, below), (more, above) in pairwise(frontier):
        if below < attainment <= above:
            from_late, to_late, late = (math.log(max(1e-5, 1.0 - share)) for share in (below, above, attainment))
            return less + (more - less) * (from_late - late) / (from_late - to_late)
    return frontier[0][0]


def scenario(profile: str, traffic: Traffic) -> Scenario:
    """An hour or two of a traffic before the past that a trace has of it."""
    return for_workload(
        traffic.trace(),
        default(profile),
        scale=traffic.scale,
        start_seconds=traffic.start_days * DAY_SECONDS,
        duration_seconds=None if traffic.days is None else traffic.days * DAY_SECONDS,
        past="trace",
        seed=0,
    )


def default_of(known: Known, profile: str, traffic: str, variant: str) -> Played:
    """What Outrider comes to with its default setting."""
    setting = SETTINGS[OURS.key].index(default(profile).policy.attainment)
    return known[Key(profile, traffic, variant, OURS.key)][setting]


def goal(known: Known, profile: str, traffic: str) -> float:
    """The attainment at which all are compared on a traffic: one that Outrider attains with each set of actuators."""
    ours = (known[Key(profile, traffic, variant, OURS.key)] for variant in VARIANTS)
    return min(GOAL, *(max(share for _, share in played) for played in ours))


def play(profile: str, traffic: Traffic, known: dict[Key, list[Played]]) -> None:
    """All contenders at all their settings on one traffic with each set of actuators. Raises TraceError."""
    workload, without = default(profile), scenario(profile, traffic)
    played = {variant: replace(without, actuators=actuators) for variant, actuators in VARIANTS.items()}
    for variant, each in played.items():
        known[Key(profile, traffic.name, variant, OURS.key)] = [
            play_one(Run(str(share), OURS, each, KNOBS["attainment"].turned(workload, share)))
            for share in SETTINGS[OURS.key]
        ]
        known[Key(profile, traffic.name, variant, PEER.key)] = [
            play_one(Run(str(value), PEER, each, workload, value)) for value in SETTINGS[PEER.key]
        ]
    for variant, each in played.items():
        (least,) = best(each, workload, (goal(known, profile, traffic.name),))
        known[Key(profile, traffic.name, variant, CLAIRVOYANT)] = (
            [] if least is None else [(least.gpu_hours, least.attainment)]
        )


def play_one(run: Run) -> Played:
    """What a run comes to."""
    outcome = run.play()
    return outcome.score.gpu_hours, outcome.attainment


def stored() -> dict[Key, list[Played]]:
    """What was played last."""
    return {Key(*row["of"]): [(hours, share) for hours, share in row["played"]] for row in json.loads(FILE.read_text())}


def store(known: Mapping[K, list[Played]], file: Path = FILE) -> None:
    """Write it down, a line for each contender on a traffic."""
    rows = [
        json.dumps({"of": key, "played": [(round(hours, 4), round(share, 6)) for hours, share in played]})
        for key, played in known.items()
    ]
    file.write_text("[\n" + ",\n".join(rows) + "\n]\n")


def run(only: str) -> int:
    """Play the traffic whose name contains this, and keep the figures beside those of other traffic."""
    known = stored() if FILE.exists() else {}
    for profile, traffics in PLAYED.items():
        for traffic in (each for each in traffics if only in each.name):
            play(profile, traffic, known)
            store(known)
        for row in rows(known, profile):
            print(profile, *row, sep=" | ")
    return 0


def rows(known: Known, profile: str) -> Iterator[tuple[str, ...]]:
    """Each traffic that was played with each set of actuators; at last the median change over all traffic.

    Outrider by default, and then the GPU-hours of each contender at equal attainment, with the change from no actuator.
    """
    changes: dict[str, list[list[float | None]]] = {variant: [] for variant in VARIANTS}
    for traffic in (each.name for each in PLAYED[profile]):
        if Key(profile, traffic, NONE, CLAIRVOYANT) not in known:
            continue
        plain, share = _gpu_hours(known, profile, traffic, NONE), goal(known, profile, traffic)
        for variant in VARIANTS:
            hours = _gpu_hours(known, profile, traffic, variant)
            changes[variant].append(
                [after and before and after / before for after, before in zip(hours, plain, strict=True)]
            )
            first, *cells = (_cell(*each) for each in zip(hours, changes[variant][-1], strict=True))
            _, within = default_of(known, profile, traffic, variant)
            yield f"{traffic}, {share:.1%}", variant, f"{first}, {within:.2%}", *cells
    for variant, found in changes.items():
        columns = ([change for change in column if change] for column in zip(*found, strict=True))
        yield "median of all", variant, *("-" if not each else percent(median(each)) for each in columns)


def _gpu_hours(known: Known, profile: str, traffic: str, variant: str) -> list[float | None]:
    share = goal(known, profile, traffic)
    at_goal = (known[Key(profile, traffic, variant, key)] for key in (OURS.key, PEER.key, CLAIRVOYANT))
    return [default_of(known, profile, traffic, variant)[0], *(gpu_hours_at(each, share) for each in at_goal)]


def _cell(hours: float | None, change: float | None) -> str:
    if hours is None:
        return "-"
    return f"{hours:,.1f}" if change in {None, 1.0} else f"{hours:,.1f} ({percent(change)})"


def percent(change: float) -> str:
    """A ratio as what is added or saved."""
    text = f"{change - 1.0:+.0%}"
    return "0%" if text[1:] == "0%" else text
