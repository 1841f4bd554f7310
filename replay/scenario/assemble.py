"""Makes what a scenario file says into what is played: every workload's traffic on one clock, on one cluster."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from crds.notation.units import quantity, seconds, span_seconds
from crds.v1alpha1.fields import Model
from crds.v1alpha1.scalingpolicy import StageTimes
from crds.workload import WeightsMethod, Workload
from policies.pool import OfferingKind, Pool
from policies.supply import ColdStart, Stage
from replay.scenario import actuators, model
from replay.scenario.actuators import Actuators
from replay.scenario.build import for_workload
from replay.scenario.cluster import (
    ClusterAutoscaler,
    ClusterScenario,
    ClusterWorkload,
    Karpenter,
    Outage,
    Reclaims,
    SimOffering,
    StockOuts,
)
from replay.scenario.files import Part, ScenarioFile, policy_of
from replay.scenario.scenario import Scenario
from replay.traces.read import read
from replay.traces.samples import SAMPLES, sample
from replay.traces.trace import Trace, TraceError

SAMPLE = "sample:"
IMAGE_BYTES = 10e9
WEIGHTS_BYTES = {"8b": 16e9, "70b": 141e9}  # at two bytes a parameter
MOST_NODES = 1000  # of an offering without a limit
SEED_STEP = 1000  # between the workloads' seeds: equal ones would start alike
PRE_PULLED = Actuators(pre_pull=True, weights=WeightsMethod.PREFETCH)


def cluster(file: ScenarioFile, seed: int | None = None) -> ClusterScenario:
    """The cluster of a scenario file. Raises ScenarioFileError, and ValueError for what does not fit together."""
    spec = file.spec
    seed = spec.seed if seed is None else seed
    built = [_built(file, i, part, seed) for i, part in enumerate(file.parts)]
    start = built[0].start_seconds
    lead = file.parts[0].workload
    pool: Pool | None = None if file.pool is None else file.pool.pool
    return ClusterScenario(
        name=file.name,
        start_seconds=start,
        duration_seconds=span_seconds(spec.duration),
        workloads=tuple(
            ClusterWorkload(
                part.stated.name,
                at(scenario, start),
                namespace=part.stated.namespace,
                labels=tuple(sorted((name, value or "") for name, value in part.stated.namespace_labels.items())),
                image_bytes=IMAGE_BYTES,
                weights_bytes=weights_bytes(part.workload),
            )
            for part, scenario in zip(file.parts, built, strict=True)
        ),
        offerings=_offerings(spec, pool, lead),
        seed=seed,
        outages=tuple(
            Outage(
                each.offering,
                start + span_seconds(each.start),
                start + span_seconds(each.start) + span_seconds(each.duration),
            )
            for each in spec.outages
        ),
        stockouts=_stock_outs(spec, pool),
        reclaims=None
        if spec.reclaims is None
        else Reclaims(span_seconds(spec.reclaims.every), span_seconds(spec.reclaims.notice)),
        disk_bytes=quantity(spec.nodes.disk),
        autoscaler=Karpenter(idle_seconds=seconds(spec.nodes.idle))
        if spec.nodes.removal == "Karpenter"
        else ClusterAutoscaler(),
        max_gpus=None if pool is None else pool.limits.gpus,
    )


def at(scenario: Scenario, start_seconds: float) -> Scenario:
    """The same traffic and past, at another date."""
    past = scenario.past
    if past is not None:
        past = replace(past, start_seconds=past.start_seconds + start_seconds - scenario.start_seconds)
    return replace(scenario, start_seconds=start_seconds, past=past)


def with_actuators(scenario: ClusterScenario, ahead: Actuators) -> ClusterScenario:
    """The same cluster, in which every workload has these."""
    return replace(
        scenario,
        workloads=tuple(replace(each, scenario=replace(each.scenario, actuators=ahead)) for each in scenario.workloads),
    )


def weights_bytes(workload: Workload) -> float:
    """Of the model that a profile is for."""
    return WEIGHTS_BYTES.get(workload.profile.partition("-")[0], 0.0)


def _built(file: ScenarioFile, i: int, part: Part, seed: int) -> Scenario:
    stated, path = part.stated, f"spec.workloads[{i}]"
    try:
        trace, shown_seconds = _trace(file.folder, stated.trace)
        start = shown_seconds if stated.start is None else span_seconds(stated.start)
        asked = actuators.asked_for(part.workload) if stated.actuators is None else actuators.named(stated.actuators)
        found = for_workload(
            trace,
            part.workload,
            scale=stated.scale,
            start_seconds=start + span_seconds(stated.offset),
            duration_seconds=span_seconds(file.spec.duration),
            past="trace",
            seed=seed * SEED_STEP + i,
            actuators=asked,
        )
        really = found.hardware.cold_start if stated.cold_start is None else _really(part, stated.cold_start)
    except (TraceError, ValueError, OSError) as error:
        raise file.error(path, error) from None
    hardware = replace(found.hardware, slowness_sigma=float(stated.slowness), cold_start=really)
    return replace(found, hardware=hardware)


def _really(part: Part, stated: Model) -> ColdStart:
    """The profile's cold start with the stages that are stated."""
    spec = {"target": {"name": "x"}, "maxReplicas": 1, "profile": part.workload.profile}
    found = policy_of(spec | {"coldStart": stated.model_dump(by_alias=True, exclude_none=True)}, "x")
    if isinstance(found, Workload):
        return found.cold_start
    raise ValueError(f"coldStart: {found[0].value}: {found[0].why}; instead: {found[0].instead}")


@lru_cache(maxsize=8)
def _trace(folder: Path, name: str) -> tuple[Trace, float]:
    """A trace, and where in it the scenario begins if it does not say so."""
    if not name.startswith(SAMPLE):
        return read(folder / name), 0.0
    wanted = name.removeprefix(SAMPLE)
    if wanted not in SAMPLES:
        raise ValueError(f"no sample {wanted!r}; available: {', '.join(SAMPLES)}")
    shipped = sample(wanted)
    return shipped.trace, shipped.start_seconds


def _offerings(spec: model.Spec, pool: Pool | None, lead: Workload) -> tuple[SimOffering, ...]:
    really = {each.name: each for each in spec.offerings}
    if pool is None:
        return (
            SimOffering("nodes", OfferingKind.ON_DEMAND, lead.price_per_gpu_hour, lead.gpus_per_replica, MOST_NODES),
        )
    found = []
    for each in pool.offerings:
        times = really.get(each.name)
        found.append(
            SimOffering(
                each.name,
                each.kind,
                each.price_per_gpu_hour,
                each.gpus_per_node,
                MOST_NODES if each.max_nodes is None else each.max_nodes,
                node=_stage(times.node if times else None),
                gpu=_stage(times.gpu if times else None),
            )
        )
    return tuple(found)


def _stage(times: StageTimes | None) -> Stage | None:
    return None if times is None else Stage(seconds(times.p50), seconds(times.p95))


def _stock_outs(spec: model.Spec, pool: Pool | None) -> StockOuts | None:
    if spec.stock_outs is None:
        return None
    every, lasting = span_seconds(spec.stock_outs.every), span_seconds(spec.stock_outs.lasting)
    names = tuple(each.name for each in pool.offerings if each.kind is not OfferingKind.RESERVED) if pool else ()
    return StockOuts(max(1.0, every - lasting), lasting, names)
