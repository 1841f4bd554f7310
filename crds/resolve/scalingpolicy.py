"""What a ScalingPolicy becomes: a Workload, every default resolved."""

from collections.abc import Iterator
from itertools import islice

from pydantic import ValidationError

from crds.notation.units import quantity, seconds, share
from crds.profiles import PROFILES
from crds.resolve.problems import Problem, locate, spell
from crds.schedules import overlaps
from crds.v1alpha1 import fetching
from crds.v1alpha1 import scalingpolicy as api
from crds.v1alpha1.metrics import Metrics, Tls
from crds.workload import Endpoint, KeyRef, Prefetch, Schedule, Target, Weights, WeightsMethod, Workload
from policies.model import Engine, Mode, Policy, Signal
from policies.supply import ColdStart, Stage


def workload(policy: api.ScalingPolicy) -> Workload:
    """The workload of a valid policy."""
    spec, metadata = policy.spec, policy.metadata
    profile, cold_start, price = PROFILES[spec.profile], _cold_start(spec), spec.price_per_gpu_hour
    return Workload(
        namespace=metadata.namespace,
        name=metadata.name,
        generation=metadata.generation,
        uid=metadata.uid,
        target=Target(spec.target.api_version, spec.target.kind, spec.target.name),
        endpoint=_endpoint(spec.metrics),
        profile=spec.profile,
        cold_start=cold_start,
        schedules=tuple(_schedule(window) for window in spec.schedules),
        pre_pull=spec.image.pre_pull,
        weights=_weights(spec.weights),
        pool=spec.pool or "",
        policy=Policy(
            name=f"{metadata.namespace}/{metadata.name}",
            mode=Mode(spec.mode),
            signal=Signal(spec.signal),
            min_replicas=spec.min_replicas,
            max_replicas=spec.max_replicas,
            queue_wait_seconds=seconds(spec.slo.queue_wait),
            attainment=share(spec.slo.attainment),
            engine=_engine(spec),
            hold_seconds=None if spec.scale_down.hold is None else seconds(spec.scale_down.hold),
            scale_up_replicas_per_minute=None if spec.scale_up is None else spec.scale_up.max_replicas_per_minute,
            scale_down_percent_per_minute=float(spec.scale_down.max_percent_per_minute),
            max_prepared_nodes=spec.max_prepared_nodes,
            gpus_per_replica=spec.gpus_per_replica or profile.gpus_per_replica,
            price_per_gpu_hour=profile.price_per_gpu_hour if price is None else quantity(price),
        ),
    )


def clashes(document: object) -> Iterator[Problem]:
    """Windows that share a name or overlap. Every valid window is compared, whatever else is wrong."""
    whole = []
    names: dict[str, str] = {}
    for path, raw in islice(locate(document, "spec.schedules[]"), api.MOST_SCHEDULES):
        try:
            window = api.Schedule.model_validate(raw)
        except ValidationError:
            continue
        if window.name in names:
            why = f"{names[window.name]} already has this name"
            yield Problem(f"{path}.name", window.name, why, "a different name")
        names.setdefault(window.name, path)
        if len(set(window.days)) < len(window.days):
            yield Problem(f"{path}.days", window.days, "a day is listed twice", spell(dict.fromkeys(window.days)))
        if window.start != window.end:
            whole.append((path, _schedule(window)))
    for i, j, moment in overlaps([schedule for _, schedule in whole]):
        one, other = whole[i][1], whole[j][1]
        why = f"it overlaps {one.name} from {moment} on, so that two minimums would apply at once"
        value = f"{other.start} to {other.end}"
        yield Problem(whole[j][0], value, why, "windows that do not overlap; one may start when another ends")


def _endpoint(metrics: Metrics) -> Endpoint:
    tls, bearer = metrics.tls or Tls(), metrics.bearer_token_secret
    ca = tls.ca_config_map
    return Endpoint(
        scheme=metrics.scheme,
        ports=tuple(metrics.ports) or (metrics.port,),
        path=metrics.path,
        ca=KeyRef(ca.name, ca.key) if ca else None,
        server_name=tls.server_name,
        skip_verify=tls.insecure_skip_verify,
        bearer=KeyRef(bearer.name, bearer.key) if bearer else None,
        headers=tuple((header.name, header.value) for header in metrics.headers),
        pod_labels=tuple(sorted(metrics.pod_selector.match_labels.items())) if metrics.pod_selector else (),
    )


def _weights(given: fetching.Weights) -> Weights:
    prefetch, cache = given.prefetch, given.local_model_cache
    return Weights(
        WeightsMethod(given.method),
        given.image or "",
        None
        if prefetch is None
        else Prefetch(
            prefetch.image,
            tuple(prefetch.args),
            prefetch.secret or "",
            prefetch.service_account_name or "",
            prefetch.path,
            fetching.byte_count(prefetch.max_bytes),
        ),
        cache.name if cache else "",
    )


def _engine(spec: api.Spec) -> Engine:
    seed, known = PROFILES[spec.profile].engine, spec.engine or api.Engine()
    prefill, decode, concurrency = (
        known.prefill_tokens_per_second,
        known.decode_seconds_per_token,
        known.max_concurrency,
    )
    return Engine(
        prefill_tokens_per_second=seed.prefill_tokens_per_second if prefill is None else quantity(prefill),
        decode_seconds_per_token=seed.decode_seconds_per_token if decode is None else quantity(decode),
        prefill_max_share=seed.prefill_max_share,
        max_concurrency=seed.max_concurrency if concurrency is None else float(concurrency),
    )


def _cold_start(spec: api.Spec) -> ColdStart:
    """What is stated, else the profile's. A `node` without a `gpu` is stated until the GPU can be allocated."""
    seed, known = PROFILES[spec.profile].cold_start, spec.cold_start or api.ColdStart()
    stated = known.node is not None and known.gpu is None
    return ColdStart(
        node=_stage(known.node) or seed.node,
        gpu=None if stated else _stage(known.gpu) or seed.gpu,
        image=_stage(known.image) or seed.image,
        weights=_stage(known.weights) or seed.weights,
        warmup=_stage(known.warmup) or seed.warmup,
    )


def _stage(known: api.StageTimes | None) -> Stage | None:
    return None if known is None else Stage(seconds(known.p50), seconds(known.p95))


def _schedule(window: api.Schedule) -> Schedule:
    days = tuple(window.days)
    return Schedule(window.name, days, window.start, window.end, window.time_zone, window.min_replicas)
