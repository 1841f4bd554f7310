"""The cold start of a replica as a sentence: how long it takes, stage by stage, and what goes on side by side."""

from collections.abc import Sequence

from policies.explain import duration
from policies.ladder import lead_quantile_seconds
from policies.residual import Starting
from policies.supply import NORMAL_P95, ColdStart, Stage, StageName

NAMES = {
    StageName.NODE: "node",
    StageName.GPU: "GPU driver",
    StageName.IMAGE: "image",
    StageName.WEIGHTS: "weights",
    StageName.WARMUP: "warm-up",
}
MEANWHILE = {
    StageName.GPU: "the GPU driver starts",
    StageName.IMAGE: "the image is pulled",
    StageName.WEIGHTS: "weights are fetched",
}


def measured(cold_start: ColdStart, given: ColdStart) -> str:
    """What a replica's start takes here, beside what it was taken to be before it was measured."""
    return (
        f"A replica takes {_lead(cold_start)} here, and up to {_lead(cold_start, NORMAL_P95)} in 19 of 20 starts:"
        f" {stages(cold_start)}; spec.coldStart or the profile expects {_lead(given)}."
    )


def expected(given: ColdStart) -> str:
    """What a replica's start is taken to be while nothing of it was measured."""
    return f"Until a start is measured, a replica is expected to take {_lead(given)}: {stages(given)}."


def coming(starting: Sequence[Starting]) -> str:
    """When the replicas that are starting are expected to serve, the first in front, and which is late; empty without any."""
    said, on_time = [], [each for each in starting if not each.is_late]
    if on_time:
        first, last = (f"about {duration(each.left.p50_seconds)}" for each in (on_time[0], on_time[-1]))
        if len(on_time) == 1:
            said.append(f"1 replica is starting, and is expected to serve in {first}.")
        elif first == last:
            said.append(f"{len(on_time)} replicas are starting, and are expected to serve in {first}.")
        else:
            said.append(
                f"{len(on_time)} replicas are starting: the first is expected to serve in {first}, the last in {last}."
            )
    if late := [each for each in starting if each.is_late]:
        said.append(_late(late))
    return " ".join(said)


def _late(late: Sequence[Starting]) -> str:
    latest = max(late, key=lambda each: each.elapsed_seconds - each.usual_seconds)
    elapsed, usual = duration(latest.elapsed_seconds), duration(latest.usual_seconds)
    if StageName.GPU in latest.unit.done:
        text = (
            f"{latest.unit.name} has had a node for {elapsed} and does not serve, while 19 of 20 serve within {usual}"
        )
    else:
        text = f"{latest.unit.name} has waited {elapsed} for a node, while 19 of 20 get one within {usual}"
    others = len(late) - 1
    return f"{text}; {others} more {'is' if others == 1 else 'are'} late too." if others else f"{text}."


def stages(cold_start: ColdStart) -> str:
    """The stages in their order; of those that go on side by side the longest, and what goes on meanwhile."""
    beside, rest = _branches(cold_start)
    branches = sorted((branch for branch in beside if branch), key=lambda branch: -_seconds(cold_start, branch))
    said = [_named(cold_start, [StageName.NODE])]
    if branches:
        longest, *others = branches
        meanwhile = " and ".join(MEANWHILE[name] for branch in others for name in branch)
        said.append(_named(cold_start, longest) + (f" while {meanwhile}" if others else ""))
    said += [_named(cold_start, [name]) for name in (*rest, StageName.WARMUP)]
    return ", then ".join(said)


def _branches(cold_start: ColdStart) -> tuple[list[list[StageName]], list[StageName]]:
    """What goes on side by side once the node has registered, and the stages that follow one after another."""
    there = [name for name in (StageName.GPU, StageName.IMAGE, StageName.WEIGHTS) if _stage(cold_start, name)]
    first: list[StageName] = [name for name in there if name is not StageName.WEIGHTS]
    weights: list[StageName] = [name for name in there if name is StageName.WEIGHTS]
    apart: list[list[StageName]] = [[name] for name in first] if StageName.IMAGE in cold_start.ahead else [first]
    if StageName.WEIGHTS in cold_start.ahead:
        return [*apart, weights], []
    return (apart, weights) if StageName.IMAGE in cold_start.ahead else ([], there)


def _lead(cold_start: ColdStart, normal_quantile: float = 0.0) -> str:
    return duration(lead_quantile_seconds(cold_start, (), normal_quantile))


def _stage(cold_start: ColdStart, name: StageName) -> Stage | None:
    found: Stage | None = getattr(cold_start, name)
    return found


def _seconds(cold_start: ColdStart, names: list[StageName]) -> float:
    return sum(stage.p50_seconds for name in names if (stage := _stage(cold_start, name)) is not None)


def _named(cold_start: ColdStart, names: list[StageName]) -> str:
    return ", ".join(f"{NAMES[name]} {duration(_seconds(cold_start, [name]))}" for name in names)
