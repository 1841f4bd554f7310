"""What each actuator is worth: GPU-hours at equal attainment on hours of public traffic, for Outrider, a peer and the clairvoyant.

    python -m benchmarks.decisions.actuators [--only TRAFFIC]

Every contender has the same actuators, so that down a column the actuators are credited, and across a row the algorithm. Writes
actuators.json beside this file, which the page of the benchmark shows. Some five minutes of one core.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from autoscaler.entry import one_thread_each
from benchmarks.decisions.cases import HOUR, Traffic
from crds.notation.units import DAY_SECONDS
from replay.contenders.registry import CONTENDERS
from replay.contenders.token_rate import ENTRY as PEER
from replay.knobs import KNOBS
from replay.optimum import best
from replay.runs import Run
from replay.scenario.actuators import NO_ACTUATORS, Actuators, CompileCache, Weights
from replay.scenario.build import for_workload
from replay.scenario.policy import default
from replay.scenario.scenario import Scenario

FILE = Path(__file__).with_name("actuators.json")
OURS = CONTENDERS[0]
CLAIRVOYANT = "clairvoyant"
GOAL = 0.99  # share of the requests within 5 s
BOTH = Actuators(pre_pull=True, weights=Weights.PREFETCH)
VARIANTS = {
    "none: one stage after the other": NO_ACTUATORS,
    "image pre-pull": Actuators(pre_pull=True),
    "weights prefetch": Actuators(weights=Weights.PREFETCH),
    "both: driver, image and weights side by side": BOTH,
    "both, and a compile cache on a volume": replace(BOTH, compile_cache=CompileCache.VOLUME),
}
SETTINGS: dict[str, tuple[float, ...]] = {
    OURS.key: (0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999),  # slo.attainment
    PEER.key: (0.95, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3),  # of a replica's capacity
}
CONV, SMALL = "azure2024_conv_d0-3_10s", "servegen_small_all_s40_d0-8_1s"
PLAYED = {  # L4s do a tenth of the work of H100s
    "8b-h100": (
        Traffic("azure 2023 x10", "azure2023_conv", 10.0),
        Traffic("mooncake x10", "mooncake_conversation", 10.0),
        Traffic("small x5, 4 hours", SMALL, 5.0, 1.0 + 19 * HOUR, 4 * HOUR),
        Traffic("azure conv x3, 3 hours", CONV, 3.0, 2.0 + 12 * HOUR, 3 * HOUR),
    ),
    "8b-l4": (
        Traffic("azure 2023 x2", "azure2023_conv", 2.0),
        Traffic("mooncake x2", "mooncake_conversation", 2.0),
        Traffic("small x1, 4 hours", SMALL, 1.0, 1.0 + 19 * HOUR, 4 * HOUR),
        Traffic("azure conv x0.6, 3 hours", CONV, 0.6, 2.0 + 12 * HOUR, 3 * HOUR),
    ),
}


class Key(NamedTuple):
    """What was played."""

    profile: str
    traffic: str
    actuators: str
    contender: str


Played = tuple[float, float]  # GPU-hours, and the share of the requests within 5 s
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


@lru_cache(maxsize=1)
def _scenario(profile: str, traffic: Traffic) -> Scenario:
    return for_workload(
        traffic.trace(),
        default(profile),
        scale=traffic.scale,
        start_seconds=traffic.start_days * DAY_SECONDS,
        duration_seconds=None if traffic.days is None else traffic.days * DAY_SECONDS,
        past="trace",
        seed=0,
    )


def play(profile: str, traffic: Traffic, variant: str) -> Iterator[tuple[Key, list[Played]]]:
    """All contenders at all their settings on one traffic with one set of actuators. Raises TraceError."""
    workload = default(profile)
    scenario = replace(_scenario(profile, traffic), actuators=VARIANTS[variant])
    for entry in (OURS, PEER):
        found = []
        for value in SETTINGS[entry.key]:
            ours = entry is OURS
            asked = KNOBS["attainment"].turned(workload, value) if ours else workload
            outcome = Run(entry.name, entry, scenario, asked, None if ours else value).play()
            found.append((outcome.score.gpu_hours, outcome.attainment))
        yield Key(profile, traffic.name, variant, entry.key), found
    (least,) = best(scenario, workload, (GOAL,))
    yield Key(profile, traffic.name, variant, CLAIRVOYANT), [] if least is None else [(least.gpu_hours, least.attainment)]


def stored() -> dict[Key, list[Played]]:
    """What was played last."""
    return {Key(*row["of"]): [(hours, share) for hours, share in row["played"]] for row in json.loads(FILE.read_text())}


def store(known: Known) -> None:
    """Write it down, a line for each contender on a traffic."""
    rows = [
        json.dumps({"of": key, "played": [(round(hours, 4), round(share, 6)) for hours, share in played]})
        for key, played in known.items()
    ]
    FILE.write_text("[\n" + ",\n".join(rows) + "\n]\n")


def main() -> None:
    """Play, and write the file: what is not played again keeps its figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decisions.actuators", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--only", metavar="TRAFFIC", default="", help="play only traffic whose name contains this")
    options = parser.parse_args()
    one_thread_each()
    known = stored() if FILE.exists() else {}
    for profile, traffics in PLAYED.items():
        for traffic in (each for each in traffics if options.only in each.name):
            for variant in VARIANTS:
                for key, played in play(profile, traffic, variant):
                    known[key] = played
                    hours = gpu_hours_at(played, GOAL)
                    print(*key, "-" if hours is None else f"{hours:.2f}", file=sys.stderr, flush=True)
            store(known)


if __name__ == "__main__":
    main()
