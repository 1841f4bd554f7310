"""What the controller and a reader send each other arrives as it was sent, and a report can be no more than numbers and texts."""

import contextlib
from dataclasses import fields
from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.kube.objects import Key
from autoscaler.sources.errors import SourceError, SourceErrorKind
from autoscaler.sources.messages import (
    LONGEST_PROBLEM,
    Setup,
    Target,
    decode_report,
    decode_targets,
    encode_report,
    encode_targets,
)
from autoscaler.sources.scrape import Address
from autoscaler.sources.transport import PROMETHEUS_NAMES, Transport
from policies.model import PodSample
from tests.support.certificates import Authority

A, B = Key("ns", "a"), Key("ns", "b")
NUMBERS = st.none() | st.floats(min_value=0.0, allow_infinity=False)
SAMPLES = st.builds(
    PodSample,
    pod=st.just("a"),
    at_seconds=st.floats(0.0, 4e9),
    **{name: NUMBERS for name, hint in get_type_hints(PodSample).items() if hint == float | None},
    asleep=st.booleans(),
)


@given(SAMPLES)
def test_a_sample_arrives_with_every_field_as_it_was(sample: PodSample) -> None:
    report = decode_report(encode_report([(7, sample)], [], {}), {7: A})
    assert list(report.samples) == [(A, sample)]
    assert {field.name for field in fields(PodSample)} == set(get_type_hints(PodSample))


def test_problems_and_failures_arrive_and_long_texts_are_cut() -> None:
    problem, long = (
        SourceError(SourceErrorKind.BODY, "é\N{BROKEN HEART}\0\ud800"),
        SourceError(SourceErrorKind.TLS, "x" * 2000),
    )
    report = decode_report(encode_report([], [(1, problem), (2, long)], {SourceErrorKind.BODY: 3}), {1: A, 2: B})
    found = {pod: (each.kind, str(each)) for pod, each in report.problems}
    assert found == {A: (problem.kind, str(problem)), B: (long.kind, "x" * LONGEST_PROBLEM)}
    assert report.failures == {SourceErrorKind.BODY: 3}


def test_what_concerns_no_target_is_left_out() -> None:
    sample, problem = PodSample("a", 1.0, None), SourceError(SourceErrorKind.BODY, "no body")
    report = decode_report(encode_report([(1, sample), (2, sample)], [(1, problem), (2, problem)], {}), {2: B})
    assert list(report.samples) == [(B, PodSample("b", 1.0, None))]
    assert [pod for pod, _ in report.problems] == [B]


@pytest.mark.parametrize(
    "rest",
    [
        *(b"{", b"[]", b"[[], []]", b"\xff", b"[" * 100_000),
        *(b'[[[1, "body"]], {}]', b'[[[1, "bad", "x"]], {}]', b'[[[[], "body", "x"]], {}]'),
        *(b'[[], {"body": "x"}]', b'[[], {"other": 1}]', b'[[], {"body": Infinity}]'),
    ],
)
def test_what_is_no_report_is_refused(rest: bytes) -> None:
    good = encode_report([(1, PodSample("a", 1.0, None))], [], {})
    with pytest.raises(ValueError, match="cannot be read"):
        decode_report(good + rest, {1: A})


@given(st.binary(max_size=400))
def test_any_bytes_are_a_report_or_a_value_error(body: bytes) -> None:
    with contextlib.suppress(ValueError):
        decode_report(body, {1: A})


def test_a_sample_without_a_time_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        decode_report(encode_report([(1, PodSample("a", float("nan"), None))], [], {}), {1: A})


def test_targets_arrive_with_their_transports() -> None:
    ca = Authority("an authority").certificate.decode()
    transports: list[Transport | SourceError] = [
        Transport(),
        Transport(ca, "engine.ns.svc", False, "token-of-ns", (("X-Tenant", "a"),), PROMETHEUS_NAMES),
        Transport(skip_verify=True),
        SourceError(SourceErrorKind.TRANSPORT, "there is no Secret token"),
    ]
    targets = [
        Target(Key("ns", f"pod-{number}"), number, Address(("https://a", "https://b"), transport, number or None))
        for number, transport in enumerate(transports)
    ]
    found = decode_targets(encode_targets([*targets, Target(A, 9, None)]))
    assert [each.pod for each in found] == [*(each.pod for each in targets), A]
    assert [each.number for each in found] == [0, 1, 2, 3, 9]
    assert found[-1].address is None
    for before, after in zip(targets[:-1], found[:-2], strict=True):
        assert before.address == after.address
    refused = found[3].address
    assert refused is not None
    assert isinstance(refused.transport, SourceError)
    assert str(refused.transport) == "there is no Secret token"


def test_every_field_of_an_address_is_sent() -> None:
    assert [field.name for field in fields(Address)] == ["urls", "transport", "late_after_seconds"]


def test_pods_of_one_transport_have_it_once() -> None:
    transport = Transport(bearer="token-of-ns")
    body = encode_targets([Target(Key("ns", f"{i}"), i, Address((), transport)) for i in range(5)])
    assert body.count(b"token-of-ns") == 1


def test_a_setup_arrives() -> None:
    setup = Setup(1.5, 2.0, "/clock", "info")
    assert Setup.decoded(setup.encoded()) == setup
