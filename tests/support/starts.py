"""Starts of replicas as a log has them, by a pure generator: each part is a log-normal draw, laid out as the ladder says."""

import math
from dataclasses import replace
from pathlib import Path
from random import Random

from autoscaler.records.writer import Recorder
from crds.profiles import PROFILES
from policies.engine import step
from policies.model import Policy, State
from policies.starts import Part, Span, Start
from policies.supply import ColdStart, Stage, StageName
from tests.support.worlds import START, Fleet, a_policy

PRIOR = PROFILES["8b-l4"].cold_start
LEARNED = ColdStart(
    node=Stage(66.0, 95.0),
    gpu=Stage(41.0, 62.0),
    image=Stage(187.0, 262.0),
    weights=Stage(56.0, 81.0),
    warmup=Stage(134.0, 163.0),
)
AHEAD = replace(LEARNED, ahead=(StageName.IMAGE, StageName.WEIGHTS))

SIGMA = 0.2
P50 = {
    Part.REACTION: 4.0,
    Part.NODE: 62.0,
    Part.GPU: 41.0,
    Part.IMAGE: 185.0,
    Part.WEIGHTS: 55.0,
    Part.PROCESS: 48.0,
    Part.LOAD: 14.0,
    Part.COMPILE: 46.0,
    Part.GRAPHS: 21.0,
    Part.PROBE: 8.0,
}
HIT = 0.44  # of a compile miss


def a_start(
    chance: Random,
    at_seconds: float = START,
    *,
    pod: str = "qwen-7d9f-x2x1",
    ahead: bool = False,
    node_exists: bool = False,
    present: bool = False,
    hit: bool = False,
    split: bool = True,
    serves: bool = True,
) -> Start:
    """`ahead`: image and weights come while the GPU is made ready. `split`: the engine's log was read."""

    def took(part: Part) -> float:
        return P50[part] * chance.lognormvariate(0.0, SIGMA)

    spans: list[Span] = []

    def add(part: Part, begin: float, seconds: float, path: str = "") -> float:
        spans.append(Span(part, begin, begin + seconds, path))
        return begin + seconds

    registered = gpu = at_seconds
    if node_exists:
        add(Part.NODE, at_seconds, 0.0, "existing")
    else:
        registered = add(Part.NODE, add(Part.REACTION, at_seconds, took(Part.REACTION)), took(Part.NODE))
        gpu = add(Part.GPU, registered, took(Part.GPU))
    pull = 0.0 if present else took(Part.IMAGE)
    pulled = add(Part.IMAGE, registered if ahead else gpu, pull, "present" if present else "pulled")
    fetched = add(Part.WEIGHTS, registered if ahead else pulled, took(Part.WEIGHTS), "pulled")
    begin = max(gpu, pulled, fetched)
    if not serves:
        return Start(pod, "gke-l4-pool-7f3c", at_seconds, None, tuple(spans))
    end = begin
    for part in (Part.PROCESS, Part.LOAD, Part.COMPILE, Part.GRAPHS, Part.PROBE):
        cached = part is Part.COMPILE and hit
        seconds = took(part) * (HIT if cached else 1.0)
        path = "" if part is not Part.COMPILE else "hit" if hit else "miss"
        end = add(part, end, seconds, path) if split else end + seconds
    if not split:
        add(Part.WARMUP, begin, end - begin)
    return Start(pod, "gke-l4-pool-7f3c", at_seconds, end, tuple(spans))


def write_day(
    folder: Path, *, hours: float = 24.0, starts: int = 12, policy: Policy | None = None, cold_start: ColdStart = AHEAD
) -> None:
    """A log of a busy day, on which replicas start now and then; one of them on a node that was there, and one never serves."""
    policy = policy or a_policy(max_prepared_nodes=0)
    recorder, fleet, state, chance = Recorder(folder), Fleet(), State(), Random(13)
    ticks = round(hours * 240)
    due = {round((at + 0.5) * ticks / starts): at for at in range(starts)}
    for tick in range(ticks):
        now = fleet.now
        rate = 8.0 - 5.0 * math.cos(tick / ticks * math.tau) + 2.0 * math.sin(tick / 31.0) * chance.uniform(0.2, 1.0)
        inputs = fleet.tick(rate, cold_start=cold_start)
        result = step(policy, state, inputs)
        recorder.record(policy, state, inputs, result)
        state = result.state
        if tick in due:
            at = due[tick]
            start = a_start(
                chance,
                now,
                pod=f"qwen-7d9f-{at:04d}",
                ahead=at % 3 != 0,
                node_exists=at == 3,
                present=at == 3,
                hit=at % 4 == 2,
                serves=at != 1,
            )
            recorder.start(policy.name, start, inputs.now_seconds, PRIOR)
    recorder.close()
