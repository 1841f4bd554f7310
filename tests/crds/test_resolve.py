"""`resolve`: a whole policy, or every problem."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds.kinds import SCALING_POLICY
from crds.profiles import PROFILES
from crds.resolve.problems import Problem
from crds.workload import Endpoint, KeyRef, Schedule, Target, Workload
from policies.model import Mode, Signal
from policies.supply import ColdStart, Stage

SMALL: dict[str, Any] = {
    "apiVersion": "outrider.dev/v1alpha1",
    "kind": "ScalingPolicy",
    "metadata": {"name": "chat", "namespace": "llm", "generation": 3, "uid": "u-1"},
    "spec": {"target": {"name": "chat-vllm"}, "maxReplicas": 24},
}


def changed(path: str, value: object) -> dict[str, Any]:
    """The small policy with one member set."""
    document = copy.deepcopy(SMALL)
    *parents, last = path.split(".")
    place = document
    for name in parents:
        place = place.setdefault(name, {})
    place[last] = value
    return document


def problems(document: Any) -> list[Problem]:
    found = SCALING_POLICY.resolve(document)
    assert isinstance(found, list), found
    return found


def workload(document: Any) -> Workload:
    found = SCALING_POLICY.resolve(document)
    assert isinstance(found, Workload), found
    return found


def test_a_small_policy_is_whole() -> None:
    found = workload(SMALL)
    assert (found.namespace, found.name, found.generation, found.uid) == ("llm", "chat", 3, "u-1")
    assert found.mode is Mode.ACTIVE
    assert found.target == Target("apps/v1", "Deployment", "chat-vllm")
    assert found.endpoint == Endpoint("http", (8000,), "/metrics")
    assert found.policy.name == "llm/chat"
    assert found.policy.signal is Signal.WORK
    assert (found.policy.min_replicas, found.policy.max_replicas) == (1, 24)
    assert (found.policy.queue_wait_seconds, found.policy.attainment) == (5.0, 0.99)
    assert found.policy.engine == PROFILES["8b-l4"].engine
    assert found.policy.hold_seconds is None
    assert found.policy.scale_up_replicas_per_minute is None
    assert found.policy.scale_down_percent_per_minute == 25.0
    assert found.policy.max_prepared_nodes == 0
    assert found.profile == "8b-l4"
    assert found.cold_start == PROFILES["8b-l4"].cold_start
    assert found.price_per_gpu_hour == PROFILES["8b-l4"].price_per_gpu_hour == 0.8


def test_every_field_has_an_effect() -> None:
    document = changed(
        "spec",
        {
            "target": {"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet", "name": "big"},
            "slo": {"queueWait": "1s500ms", "attainment": "99.9%"},
            "minReplicas": 2,
            "maxReplicas": 9,
            "mode": "Shadow",
            "signal": "Concurrency",
            "profile": "70b-tp4-h100",
            "engine": {"prefillTokensPerSecond": "9k", "decodeSecondsPerToken": "500u", "maxConcurrency": 100},
            "coldStart": {"node": {"p50": "90s", "p95": "4m"}, "warmup": {"p50": "1m30s500ms", "p95": "2m"}},
            "pricePerGpuHour": "2.50",
            "metrics": {
                "ports": [8443, 8444],
                "path": "/m",
                "scheme": "https",
                "tls": {"caConfigMap": {"name": "ca"}, "serverName": "big.llm.svc"},
                "bearerTokenSecret": {"name": "metrics", "key": "jwt"},
                "headers": [{"name": "X-Team", "value": "chat"}],
                "podSelector": {"matchLabels": {"role": "leader"}},
            },
            "scaleUp": {"maxReplicasPerMinute": 4},
            "scaleDown": {"hold": "1h30m", "maxPercentPerMinute": 10},
            "maxPreparedNodes": 0,
            "schedules": [
                {"name": "day", "days": ["Mon"], "start": "08:00", "end": "18:00", "timeZone": "UTC", "minReplicas": 3}
            ],
        },
    )
    found = workload(document)
    assert found.target.kind == "LeaderWorkerSet"
    assert found.gpus_per_replica == 4
    assert found.mode is Mode.SHADOW
    assert found.endpoint == Endpoint(
        scheme="https",
        ports=(8443, 8444),
        path="/m",
        ca=KeyRef("ca", "ca.crt"),
        server_name="big.llm.svc",
        bearer=KeyRef("metrics", "jwt"),
        headers=(("X-Team", "chat"),),
        pod_labels=(("role", "leader"),),
    )
    assert found.schedules == (Schedule("day", ("Mon",), "08:00", "18:00", "UTC", 3),)
    policy = found.policy
    assert (policy.queue_wait_seconds, policy.attainment) == (1.5, 0.999)
    assert (policy.engine.prefill_tokens_per_second, policy.engine.decode_seconds_per_token) == (9000.0, 0.0005)
    assert policy.engine.max_concurrency == 100.0
    profile = PROFILES["70b-tp4-h100"]
    assert found.cold_start == ColdStart(
        node=Stage(90.0, 240.0),
        image=profile.cold_start.image,
        weights=profile.cold_start.weights,
        warmup=Stage(90.5, 120.0),
    )
    assert found.price_per_gpu_hour == 2.5
    assert (policy.hold_seconds, policy.scale_down_percent_per_minute) == (5400.0, 10.0)
    assert (policy.scale_up_replicas_per_minute, policy.max_prepared_nodes) == (4, 0)
    assert workload(changed("spec.gpusPerReplica", 2)).gpus_per_replica == 2
    https = {"port": 8443, "scheme": "https", "tls": {"insecureSkipVerify": True}}
    assert workload(changed("spec.metrics", https)).endpoint == Endpoint("https", (8443,), "/metrics", skip_verify=True)


def test_the_status_and_the_rest_of_the_metadata_are_not_judged() -> None:
    document = changed("metadata.labels", {"a": "b"})
    document["status"] = {"conditions": "what a former version wrote"}
    assert workload(document).name == "chat"


@pytest.mark.parametrize(
    ("path", "value", "why", "instead"),
    [
        ("apiVersion", "outrider.dev/v1", "not one of the allowed values", "outrider.dev/v1alpha1"),
        ("metadata.name", "Chat_1", "not a DNS name", "chat-1"),
        ("metadata.name", "x" * 55, "keda-hpa-", "at most 54"),
        ("metadata.name", None, "required", "name: chat"),
        ("spec.target.name", None, "required", "name: chat-vllm"),
        ("spec.target.kind", "DaemonSet", "no /scale subresource", "Deployment"),
        ("spec.target.kind", "Job", "no /scale subresource", "Deployment"),
        ("spec.target.apiVersion", "extensions/v1beta1", "belongs to apps/v1", "apps/v1"),
        ("spec.slo.queueWait", 5, "unit", "5s"),
        ("spec.slo.queueWait", "5", "not a duration", "5s"),
        ("spec.slo.queueWait", "1 day", "not a duration", "24h"),
        ("spec.slo.queueWait", "0.5s", "not a duration", "500ms"),
        ("spec.slo.queueWait", "1.5ms", "not a duration", "2ms"),
        ("spec.slo.queueWait", "2 Minutes", "not a duration", "2m"),
        ("spec.slo.queueWait", "2h", "out of range", "100ms to 1h"),
        ("spec.slo.queueWait", "soon", "not a duration", "500ms, 5s"),
        ("spec.slo.attainment", 99, "a string with a % sign", '"99%"'),
        ("spec.slo.attainment", 0.995, "a string with a % sign", '"99.5%"'),
        ("spec.slo.attainment", "100%", "no number of replicas", "99.99%"),
        ("spec.slo.attainment", "30%", "from 50%", "50%"),
        ("spec.minReplicas", 0, "zero pods", "1 or more"),
        ("spec.minReplicas", 30, "above maxReplicas", "up to maxReplicas"),
        ("spec.maxReplicas", None, "required", "maxReplicas: 8"),
        ("spec.maxReplicas", "24", "not a whole number", "1 to 10000"),
        ("spec.maxReplicas", True, "not a whole number", "1 to 10000"),
        ("spec.mode", "shadow", "not one of", "Shadow"),
        ("spec.signal", "GPUUtilization", "utilisation does not measure load", "Work"),
        ("spec.signal", "DCGM_FI_DEV_GPU_UTIL", "utilisation does not measure load", "Work"),
        ("spec.signal", "Running", "running requests alone do not measure load", "running and waiting"),
        ("spec.signal", "Tokens", "no such signal", "Work or Concurrency"),
        ("spec.gpuUtilization", 80, "utilisation does not measure load", "Work"),
        ("spec.maxReplica", 8, "no such field", "maxReplicas"),
        ("spec.profile", "8b", "not one of", "8b-l4"),
        ("spec.pricePerGPUHour", 4, "no such field", "pricePerGpuHour"),
        ("spec.pricePerGpuHour", 2.5, "a string", '"2.5"'),
        ("spec.pricePerGpuHour", 0, "out of range", "0.001 to 1000"),
        ("spec.coldStart.driver", {}, "no such field", "node, gpu, image, weights or warmup"),
        ("spec.coldStart", "90s", "not an object", "node, gpu, image, weights and warmup"),
        ("spec.engine.decodeSecondsPerToken", 0.0025, "a string", '"0.0025"'),
        ("spec.engine.decodeSecondsPerToken", "25", "out of range", "1u to 10"),
        ("spec.metrics.port", 0, "below the minimum of 1", "1 to 65535"),
        ("spec.metrics.path", "metrics", "not a path", "/metrics"),
        ("spec.scaleDown.hold", "25h", "out of range", "0s to 24h"),
        ("spec.schedules", {}, "not a list", "[{name: "),
        ("spec.slo", "5s", "not an object", "queueWait and attainment"),
    ],
)
def test_each_mistake_is_reported_with_what_to_write_instead(path: str, value: object, why: str, instead: str) -> None:
    [found] = problems(changed(path, value))
    assert found.path == path
    assert found.value == value
    assert why in found.why
    assert instead in found.instead


@pytest.mark.parametrize("stage", ["node", "image", "weights", "warmup"])
@pytest.mark.parametrize(
    ("p50", "p95", "field", "why"),
    [
        ("90s", None, "p95", "required"),
        ("0s", "90s", "p50", "out of range"),
        ("2h", "3h", "p50", "out of range"),
        ("90s", "89s", "p95", "below p50, or above 1h"),
        ("90s", "61m", "p95", "below p50, or above 1h"),
        (90, "4m", "p50", "unit"),
    ],
)
def test_a_stage_takes_from_1s_to_1h_and_its_p95_is_not_below_its_p50(
    stage: str, p50: object, p95: object, field: str, why: str
) -> None:
    [found] = problems(changed(f"spec.coldStart.{stage}", {"p50": p50, "p95": p95}))
    assert found.path == f"spec.coldStart.{stage}.{field}"
    assert why in found.why


@pytest.mark.parametrize("document", [None, 5, "text", [], [SMALL]])
def test_what_is_no_object_is_reported(document: object) -> None:
    assert problems(document)[0].why == "not an object"


def window(**members: object) -> dict[str, object]:
    return {"name": "day", "start": "08:00", "end": "18:00", "minReplicas": 3} | members


@pytest.mark.parametrize(
    ("windows", "path", "why"),
    [
        ([window(start="8:00")], "spec.schedules[0].start", "not a time of day"),
        ([window(end="08:00")], "spec.schedules[0].end", "the same time"),
        ([window(timeZone="Europe/Berln")], "spec.schedules[0].timeZone", "no such time zone"),
        ([window(timeZone="../../etc/passwd")], "spec.schedules[0].timeZone", "not a name"),
        ([window(timeZone="America")], "spec.schedules[0].timeZone", "no such time zone"),
        ([window(days=[])], "spec.schedules[0].days", "0 items"),
        ([window(days=["Mon", "Mon"])], "spec.schedules[0].days", "twice"),
        ([window(days=["Monday"])], "spec.schedules[0].days[0]", "not one of"),
        ([window(minReplicas=25)], "spec.schedules[0].minReplicas", "above maxReplicas"),
        ([window(), window(days=["Sun"], start="17:59", end="20:00", name="b")], "spec.schedules[1]", "Sun 17:59"),
        ([window(days=["Sun"], start="22:00", end="06:00"), window(days=["Mon"], start="05:00", name="b")],
         "spec.schedules[1]", "Mon 05:00"),
        ([window(days=["Mon"]), window(days=["Tue"])], "spec.schedules[1].name", "has this name"),
    ],
)  # fmt: skip
def test_an_impossible_window_is_reported(windows: list[object], path: str, why: str) -> None:
    [found] = problems(changed("spec.schedules", windows))
    assert found.path == path
    assert why in found.why


def test_windows_may_touch_and_those_of_two_zones_may_overlap() -> None:
    windows = [window(), window(name="b", start="18:00", end="24:00"), window(name="c", timeZone="Asia/Tokyo")]
    assert len(workload(changed("spec.schedules", windows)).schedules) == 3


def test_ten_mistakes_are_ten_problems() -> None:
    document = {
        "apiVersion": "outrider.dev/v1",
        "kind": "ScalingPolicy",
        "metadata": {"name": "Chat"},
        "spec": {
            "target": {"kind": "DaemonSet", "name": "chat-vllm"},
            "slo": {"queueWait": 5, "attainment": "110%"},
            "minReplicas": 0,
            "signal": "GPUUtilization",
            "maxReplicas": 24,
            "mod": "Shadow",
            "schedules": [{"name": "day", "start": "8am", "end": "18:00", "timeZone": "Mars", "minReplicas": 3}],
        },
    }
    assert sorted(found.path for found in problems(document)) == [
        "apiVersion",
        "metadata.name",
        "spec.minReplicas",
        "spec.mod",
        "spec.schedules[0].start",
        "spec.schedules[0].timeZone",
        "spec.signal",
        "spec.slo.attainment",
        "spec.slo.queueWait",
        "spec.target.kind",
    ]


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates()
NAMES = st.sampled_from(
    [
        "spec",
        "metadata",
        "name",
        "target",
        "slo",
        "queueWait",
        "attainment",
        "minReplicas",
        "maxReplicas",
        "signal",
        "engine",
        "decodeSecondsPerToken",
        "schedules",
        "days",
        "start",
        "end",
        "timeZone",
        "kind",
        "apiVersion",
        "status",
        "x",
    ]
)
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(NAMES | st.text() | st.integers() | st.none(), inner),
    max_leaves=20,
)


@given(JUNK)
def test_junk_never_raises(junk: Any) -> None:
    assert problems(junk)


@given(st.sampled_from(["spec", "metadata", *(f"spec.{name}" for name in
       ("target", "slo", "engine", "schedules", "scaleDown", "signal", "minReplicas", "maxReplicas", "metrics"))]), JUNK)  # fmt: skip
def test_junk_in_a_whole_policy_never_raises(path: str, junk: Any) -> None:
    found = SCALING_POLICY.resolve(changed(path, junk))
    assert isinstance(found, Workload) or found
