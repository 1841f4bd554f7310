"""What KEDA relies on, checked from outside: metric spec, values, activity, errors, deadlines, bursts."""

import asyncio
import re
import time
from collections.abc import Awaitable
from typing import TypeVar

import grpc
import pytest

from autoscaler.scaler.externalscaler_pb2 import MetricSpec, MetricValue, ScaledObjectRef
from tests.autoscaler.scaler.subject import KEY, METRIC, LocalServer, Subject, refused, until

INVALID, NOT_FOUND, UNAVAILABLE = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.UNAVAILABLE,
)

T = TypeVar("T")


def milli(value: float) -> int:
    """A quantity as KEDA formats it: three decimals."""
    return round(float(f"{value:.3f}") * 1000)


def target_read(spec: MetricSpec) -> int:
    return milli(spec.targetSizeFloat if spec.targetSizeFloat > 0 else spec.targetSize)


def value_read(value: MetricValue) -> int:
    return milli(value.metricValueFloat if value.metricValueFloat > 0 else max(0, value.metricValue))


def hpa(status_replicas: int, usage: int, target: int, tolerance: float) -> int:
    """The HPA's AverageValue recommendation; usage and target in thousandths."""
    if status_replicas and 1 - tolerance <= usage / (target * status_replicas) <= 1 + tolerance:
        return status_replicas
    return -(-usage // target)


async def test_spec_is_stable_and_safe_as_a_path(subject: Subject) -> None:
    answers = [await subject.stub.GetMetricSpec(subject.ref(), timeout=5) for _ in range(100)]
    assert all(answer == answers[0] for answer in answers)
    (spec,) = answers[0].metricSpecs
    assert re.fullmatch("[a-z0-9-]+", spec.metricName)
    assert spec.targetSize > 0
    assert target_read(spec) == milli(spec.targetSize) > 0


async def test_spec_does_not_depend_on_decisions(subject: Subject, local: LocalServer) -> None:
    before = await subject.stub.GetMetricSpec(subject.ref())
    local.decide(17)
    assert await subject.stub.GetMetricSpec(subject.ref()) == before
    await local.clock.advance(3600.0)
    assert await subject.stub.GetMetricSpec(subject.ref()) == before
    local.board.know([])
    assert await subject.stub.GetMetricSpec(subject.ref()) == before


@pytest.mark.parametrize("policy", ["", "Llama", "a_b", "-a", "a.", "a..b", "other/llama", "ä", "a\n", "a" * 254])
async def test_policies_that_are_no_names_are_invalid(subject: Subject, policy: str) -> None:
    ref = subject.ref(policy=policy)
    async with refused(INVALID) as caught:
        await subject.stub.GetMetricSpec(ref, timeout=5)
    assert "ScalingPolicy" in (caught.value.details() or "")
    assert len(caught.value.details() or "") < 400
    async with refused(INVALID):
        await subject.value(ref)
    async with refused(INVALID):
        await subject.active(ref)
    async with refused(INVALID):
        await subject.stub.StreamIsActive(ref, timeout=5).read()


async def test_missing_metadata_or_namespace_is_invalid(subject: Subject) -> None:
    for ref in (
        ScaledObjectRef(),
        ScaledObjectRef(name="so", namespace=subject.namespace),
        ScaledObjectRef(name="so", scalerMetadata={"policy": subject.policy}),
        ScaledObjectRef(name="so", namespace="No Namespace", scalerMetadata={"policy": subject.policy}),
    ):
        async with refused(INVALID):
            await subject.stub.GetMetricSpec(ref, timeout=5)
        async with refused(INVALID):
            await subject.active(ref)


async def test_one_value_alike_in_both_fields(subject: Subject) -> None:
    value = await subject.value()
    assert value.metricName == METRIC
    assert value.metricValue == value.metricValueFloat >= 0
    assert value_read(value) == milli(value.metricValueFloat)
    assert await subject.active() == (value.metricValue > 0)


@pytest.mark.parametrize("metric", ["", f"s0-{METRIC}", METRIC.upper(), "requests", "x" * 10_000])
async def test_other_metrics_are_refused(subject: Subject, metric: str) -> None:
    async with refused(INVALID, NOT_FOUND) as caught:
        await subject.value(metric=metric)
    assert METRIC in (caught.value.details() or "")


async def test_value_and_activity_agree(subject: Subject, local: LocalServer) -> None:
    for desired in (0, 5, 1, 0, 2**31 - 1):
        local.decide(desired)
        value = await subject.value()
        assert (value.metricValue, value.metricValueFloat) == (desired, desired)
        assert await subject.active() is (desired > 0)


async def test_unknown_is_an_error_and_never_zero(subject: Subject, local: LocalServer) -> None:
    async def both(code: grpc.StatusCode, says: str) -> None:
        took = []
        for call in (subject.value, subject.active) * 3:
            started = time.monotonic()
            async with refused(code) as caught:
                await call()
            took.append(time.monotonic() - started)
            assert says in (caught.value.details() or "")
            assert KEY in (caught.value.details() or "")
        assert min(took) < 0.1  # the best of six: a busy machine may hold up one

    await local.clock.advance(60.0)
    assert (await subject.value()).metricValue == 3
    await local.clock.advance(0.5)
    await both(UNAVAILABLE, "60 s old")
    local.board.withdraw(KEY)
    await both(UNAVAILABLE, "no decision to follow")
    local.decide(4)
    assert await subject.active()
    local.board.know([])
    await both(NOT_FOUND, "is refused, or has not been read yet")
    local.board.know([KEY])
    await both(UNAVAILABLE, "no decision to follow")


async def test_unknown_policy_is_not_found(subject: Subject) -> None:
    ref = subject.ref(policy="never-created")
    assert (await subject.stub.GetMetricSpec(ref, timeout=5)).metricSpecs
    async with refused(NOT_FOUND):
        await subject.value(ref)
    async with refused(NOT_FOUND):
        await subject.active(ref)


async def test_the_hpa_lands_on_what_was_decided(subject: Subject, local: LocalServer) -> None:
    (spec,) = (await subject.stub.GetMetricSpec(subject.ref())).metricSpecs
    target = target_read(spec)
    for desired in range(65):
        local.decide(desired)
        usage = value_read(await subject.value())
        for status_replicas in range(100):
            assert hpa(status_replicas, usage, target, tolerance=0.0) == desired
            assert hpa(status_replicas, usage, target, tolerance=0.1) in (desired, status_replicas)


async def test_an_hpa_without_its_own_tolerance_lands_as_near_as_it_can(subject: Subject, local: LocalServer) -> None:
    ref = subject.ref(hpaTolerance="0.1")
    for desired, current, lands in ((12, 11, 13), (15, 16, 15), (19, 20, 20), (18, 20, 18), (30, 11, 30)):
        local.board.publish(KEY, desired, local.clock.now(), current)
        value = await subject.value(ref)
        assert value.metricValue >= value.metricValueFloat > value.metricValue - 1
        assert hpa(current, value_read(value), milli(1), 0.1) == lands


async def test_a_malformed_tolerance_is_refused(subject: Subject, local: LocalServer) -> None:
    local.decide(3)
    for text in ("10%", "-0.1", "1", "nan", "0.1.1", ""):
        async with refused(INVALID):
            await subject.value(subject.ref(hpaTolerance=text))


def test_the_formula_gives_kedas_own_figures() -> None:
    assert [hpa(1, milli(value), milli(10), 0.1) for value in (10, 20, 22.222, 31)] == [1, 2, 3, 4]
    assert hpa(1, milli(22.222), milli(6.111), 0.1) == 4
    assert hpa(12, milli(13), milli(1), 0.1) == 12  # why the ScaledObject sets tolerance 0
    assert hpa(9, milli(10), milli(1), 0.1) == 10
    assert hpa(3, 0, milli(10), 0.1) == 0


async def test_no_call_waits_for_a_blocked_engine(subject: Subject, local: LocalServer) -> None:
    engine = asyncio.create_task(asyncio.Event().wait())  # never decides again
    await subject.value()
    tasks = asyncio.all_tasks()
    assert (await subject.stub.IsActive(subject.ref(), timeout=5)).result
    assert (await subject.stub.IsActive(subject.ref())).result
    await local.clock.advance(61.0)
    async with refused(UNAVAILABLE):
        await subject.stub.IsActive(subject.ref(), timeout=5)
    async with refused(UNAVAILABLE):
        await subject.stub.IsActive(subject.ref())
    await until(lambda: len(asyncio.all_tasks()) <= len(tasks))  # gRPC ends a call's task some turns after its answer
    engine.cancel()


async def test_stream_metric_spec_is_off(subject: Subject) -> None:
    call = subject.channel.unary_stream(
        "/externalscaler.ExternalScaler/StreamMetricSpec",
        request_serializer=ScaledObjectRef.SerializeToString,
        response_deserializer=bytes,
    )
    async with refused(grpc.StatusCode.UNIMPLEMENTED):
        await call(subject.ref(), timeout=5).read()


async def test_a_thousand_scaled_objects_on_one_connection(subject: Subject, local: LocalServer) -> None:
    """0.5 s: a thousand is what is promised."""
    policies = [f"p{i}" for i in range(1000)]
    local.board.know(f"chat/{policy}" for policy in policies)
    for i, policy in enumerate(policies):
        local.board.publish(f"chat/{policy}", i, local.clock.now())
    latencies: list[float] = []
    at_once = asyncio.Semaphore(8)

    async def timed(call: Awaitable[T]) -> T:
        started = time.perf_counter()
        answer = await call
        latencies.append(time.perf_counter() - started)
        return answer

    async def keda_asks(i: int, policy: str) -> None:
        ref = subject.ref(policy=policy)
        async with at_once:
            await timed(subject.stub.GetMetricSpec(ref))
            assert (await timed(subject.value(ref))).metricValue == i
            assert await timed(subject.active(ref)) is (i > 0)

    await asyncio.gather(*(keda_asks(i, policy) for i, policy in enumerate(policies)))
    assert len(latencies) == 3000
    assert sorted(latencies)[2970] < 0.1


async def test_namespaces_share_nothing_and_strange_keys_are_tolerated(subject: Subject, local: LocalServer) -> None:
    local.decide(1)
    local.decide(7, "embed/llama-8b")
    strange = {"apiKeyFromEnv": "x" * 4000, "unsafeSsl": "true", "ownKey": "ä", "": "empty"}
    assert (await subject.value(subject.ref(**strange))).metricValue == 1
    assert (await subject.value(subject.ref(namespace="embed", **strange))).metricValue == 7
    async with refused(NOT_FOUND):
        await subject.value(subject.ref(namespace="other"))


async def test_oversized_calls_are_refused_and_affect_no_other(subject: Subject) -> None:
    async with refused(grpc.StatusCode.RESOURCE_EXHAUSTED):
        await subject.active(subject.ref(padding="x" * 70_000))
    async with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL):
        await subject.stub.IsActive(subject.ref(), metadata=(("x-padding", "x" * 40_000),), timeout=5)
    assert await subject.active() in (True, False)
