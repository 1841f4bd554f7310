"""A custom resource becomes a Workload, every default resolved; or a list of every problem that it has."""

from collections.abc import Iterator, Mapping
from functools import cache, reduce
from typing import Any

from pydantic import ValidationError

from crds.notation.units import quantity, seconds, share
from crds.problems import locate, problem, spell
from crds.profiles import PROFILES
from crds.rules import RULES
from crds.schedules import overlaps
from crds.structural import Schema, defaulted, described
from crds.v1alpha1 import ScalingPolicy, Spec
from crds.v1alpha1 import spec as api
from crds.workload import Endpoint, Mode, Problem, Schedule, Target, Workload
from policies.model import Engine, Policy, Signal


def resolve(raw: Mapping[str, Any]) -> Workload | list[Problem]:
    """Read a ScalingPolicy as the API server or a file gives it. Never raises for bad input."""
    if not isinstance(raw, Mapping):
        return [Problem("", raw, "not an object", "a ScalingPolicy")]
    document = defaulted({name: raw[name] for name in raw if name != "status"}, schema())
    problems: list[Problem] = []
    policy = None
    try:
        policy = ScalingPolicy.model_validate(document)
    except ValidationError as errors:
        problems = [problem(error, schema()) for error in errors.errors(include_url=False)]
    problems += _broken_rules(document, {found.path for found in problems})
    problems += _clashes(document)
    return problems if problems or policy is None else _workload(policy)


@cache
def schema() -> Schema:
    """The schema of ScalingPolicy with its examples."""
    return described(ScalingPolicy)


def _broken_rules(document: object, blamed: set[str]) -> Iterator[Problem]:
    for rule in RULES:
        for path, it in locate(document, rule.at):
            where = f"{path}.{rule.field}".lstrip(".")
            if not blamed.isdisjoint({where, *(f"{path}.{member}".lstrip(".") for member in rule.reads)}):
                continue  # one problem for one mistake
            try:
                holds = rule.holds(it)
            except (AttributeError, KeyError, TypeError, ValueError):
                continue  # what the rule speaks of is absent or no such thing; that has its own problem
            if not holds:
                blamed.add(where)
                value = reduce(lambda inner, name: inner[name], rule.field.split("."), it)
                yield Problem(where, value, rule.why, rule.instead)


def _clashes(document: object) -> Iterator[Problem]:
    """Windows that have one name or meet: those that are whole are compared, whatever else is wrong."""
    whole = []
    names: dict[str, str] = {}
    for path, raw in locate(document, "spec.schedules[]"):
        try:
            window = api.Schedule.model_validate(raw)
        except ValidationError:
            continue
        if window.name in names:
            why = f"{names[window.name]} has this name already"
            yield Problem(f"{path}.name", window.name, why, "a name of its own")
        names.setdefault(window.name, path)
        if len(set(window.days)) < len(window.days):
            yield Problem(f"{path}.days", window.days, "a day is named twice", spell(dict.fromkeys(window.days)))
        if window.start != window.end:
            whole.append((path, _schedule(window)))
    for i, j, moment in overlaps([schedule for _, schedule in whole]):
        one, other = whole[i][1], whole[j][1]
        why = f"it overlaps with {one.name} from {moment} on, so that two minimums hold at once"
        value = f"{other.start} to {other.end}"
        yield Problem(whole[j][0], value, why, "windows that end where the next one starts")


def _workload(policy: ScalingPolicy) -> Workload:
    spec, metadata = policy.spec, policy.metadata
    return Workload(
        namespace=metadata.namespace,
        name=metadata.name,
        generation=metadata.generation,
        uid=metadata.uid,
        mode=Mode(spec.mode),
        target=Target(spec.target.api_version, spec.target.kind, spec.target.name),
        endpoint=Endpoint(spec.metrics.scheme, spec.metrics.port, spec.metrics.path),
        gpus_per_replica=spec.gpus_per_replica or PROFILES[spec.profile].gpus_per_replica,
        schedules=tuple(_schedule(window) for window in spec.schedules),
        cold_start=PROFILES[spec.profile].cold_start,
        policy=Policy(
            name=f"{metadata.namespace}/{metadata.name}",
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
        ),
    )


def _engine(spec: Spec) -> Engine:
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


def _schedule(window: api.Schedule) -> Schedule:
    days = tuple(window.days)
    return Schedule(window.name, days, window.start, window.end, window.time_zone, window.min_replicas)
