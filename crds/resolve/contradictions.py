"""What a valid policy most likely does not mean. `outrider check` warns of it; a cluster runs the policy as it is written."""

from collections.abc import Iterator

from crds.notation.units import duration
from crds.profiles import PROFILES
from crds.resolve.problems import Problem
from crds.workload import Workload

_MISREAD = 20  # times: no engine differs as much from its profile, so the figure has another unit


def contradictions(workload: Workload) -> Iterator[Problem]:
    """The contradictions in a policy, each with what to write instead."""
    yield from _bounds(workload)
    yield from _windows(workload)
    yield from _profile(workload)
    yield from _metrics(workload)


def _bounds(workload: Workload) -> Iterator[Problem]:
    policy, warmup = workload.policy, workload.cold_start.warmup.p50_seconds
    least, most = policy.min_replicas, policy.max_replicas
    if least == most:
        yield Problem(
            "spec.maxReplicas", most, "equal to minReplicas, so there is nothing to scale", f"more than {least}"
        )
    if policy.max_prepared_nodes > most:
        why = f"above maxReplicas ({most}), and a node is prepared only for a replica that may still be added"
        yield Problem("spec.maxPreparedNodes", policy.max_prepared_nodes, why, f"{most} or less")
    if policy.hold_seconds is not None and policy.hold_seconds < warmup:
        why = f"replicas would be removed sooner than a new one can warm up ({duration(warmup)}), so their number would swing"
        instead = f"{duration(warmup)} or more, or no hold, which keeps them as long as a new one takes to start"
        yield Problem("spec.scaleDown.hold", duration(policy.hold_seconds), why, instead)


def _windows(workload: Workload) -> Iterator[Problem]:
    least = workload.policy.min_replicas
    for i, window in enumerate(workload.schedules):
        if window.min_replicas <= least:
            why = f"the window changes nothing, since minReplicas is {least} at all times"
            yield Problem(
                f"spec.schedules[{i}].minReplicas", window.min_replicas, why, f"more than {least}, or no such window"
            )


def _profile(workload: Workload) -> Iterator[Problem]:
    name, profile, engine = workload.profile, PROFILES[workload.profile], workload.policy.engine
    needed, given = profile.gpus_per_replica, workload.gpus_per_replica
    if given < needed:
        why = f"profile {name} gives the speed and the cold start of a replica on {needed} GPUs"
        yield Problem(
            "spec.gpusPerReplica", given, why, f"{needed}, or a profile for {given} GPU{'s' if given > 1 else ''}"
        )
    for field, value, usual in (
        ("prefillTokensPerSecond", engine.prefill_tokens_per_second, profile.engine.prefill_tokens_per_second),
        ("decodeSecondsPerToken", engine.decode_seconds_per_token, profile.engine.decode_seconds_per_token),
    ):
        if not usual / _MISREAD <= value <= usual * _MISREAD:
            why = f"over {_MISREAD} times {'more' if value > usual else 'less'} than the {usual:g} of profile {name}"
            yield Problem(f"spec.engine.{field}", f"{value:g}", why, "the figure of one replica in the field's unit")


def _metrics(workload: Workload) -> Iterator[Problem]:
    at = workload.endpoint
    if at.skip_verify and at.ca:
        why = "no effect beside insecureSkipVerify, which accepts any certificate"
        yield Problem("spec.metrics.tls.caConfigMap", at.ca.name, why, "either of the two")
    if at.scheme == "https" and not (at.ca or at.server_name or at.skip_verify):
        why = "pods are reached by IP address, and no public CA signs a certificate for one, so none would be accepted"
        instead = "metrics.tls beside it: caConfigMap with the CA that signed the certificates, and serverName where they have a name"
        yield Problem("spec.metrics.scheme", at.scheme, why, instead)
