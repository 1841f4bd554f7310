"""What the controller and a reader process send each other: JSON to the reader; from it numbers of a fixed shape, and texts.

A reader reads what tenants answer, so that a report can be no more than that: nothing is unpickled, and its length is bounded.
"""

import asyncio
import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import isfinite, nan
from operator import attrgetter
from typing import Any

from autoscaler.kube.objects import Key
from autoscaler.sources.errors import SourceError, SourceErrorKind
from autoscaler.sources.scrape import Address
from autoscaler.sources.transport import Names, Transport
from policies.model import PodSample

MOST_ROWS = 1_000  # samples in a report, and problems
LONGEST_PROBLEM = 1_000  # characters
LONGEST_REPORT_BYTES = 8 << 20  # JSON may write a character in 6 bytes
_LENGTH = struct.Struct("<I")
_NUMBERS = tuple(field.name for field in fields(PodSample) if field.name not in ("pod", "asleep"))
_numbers = attrgetter(*_NUMBERS)
_ROW = struct.Struct(f"<I{len(_NUMBERS)}d?")  # number of the target, numbers of the sample (NaN: None), asleep


@dataclass(frozen=True, slots=True)
class Setup:
    """How a reader scrapes: its first message. `now_seconds` is the controller's time."""

    now_seconds: float
    interval_seconds: float
    clock_file: str | None
    log_level: str

    def encoded(self) -> bytes:
        """As a message."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decoded(cls, body: bytes) -> "Setup":
        """What `encoded` made."""
        return cls(**json.loads(body))


@dataclass(frozen=True, slots=True)
class Target:
    """A pod that a reader is to scrape; reports name it by the number. Without an address: no longer."""

    pod: Key
    number: int
    address: Address | None


@dataclass(frozen=True, slots=True)
class Report:
    """What is new since a reader's last report."""

    samples: Sequence[tuple[Key, PodSample]]
    problems: Sequence[tuple[Key, SourceError]]  # newer than the samples
    failures: Mapping[SourceErrorKind, int]  # how many


def encode_report(
    samples: Iterable[tuple[int, PodSample]],
    problems: Iterable[tuple[int, SourceError]],
    failures: Mapping[SourceErrorKind, int],
) -> bytes:
    """A report as a message."""
    rows = b"".join(
        _ROW.pack(number, *[nan if value is None else value for value in _numbers(sample)], sample.asleep)
        for number, sample in samples
    )
    texts = [[number, problem.kind, str(problem)[:LONGEST_PROBLEM]] for number, problem in problems]
    rest = json.dumps([texts, failures]).encode() if texts or failures else b""
    return _LENGTH.pack(len(rows)) + rows + rest


def decode_report(body: bytes, pods: Mapping[int, Key]) -> Report:
    """A report, without what concerns none of the `pods`. Raises ValueError where it is none."""
    try:
        end = _LENGTH.size + _LENGTH.unpack_from(body)[0]
        texts, failures = json.loads(body[end:]) if len(body) > end else ([], {})
        return Report(
            [
                (pods[number], _sample(pods[number].name, values))
                for number, *values in _ROW.iter_unpack(body[_LENGTH.size : end])
                if number in pods
            ],
            [
                (pods[number], SourceError(SourceErrorKind(kind), str(text)[:LONGEST_PROBLEM]))
                for number, kind, text in texts
                if number in pods
            ],
            {SourceErrorKind(kind): max(0, int(count)) for kind, count in failures.items()},
        )
    except (struct.error, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"a report that cannot be read ({type(error).__name__})") from None


def _sample(pod: str, values: Sequence[Any]) -> PodSample:
    known: list[Any] = [None if value != value else value for value in values]  # noqa: PLR0124 - NaN
    sample = PodSample(pod, *known)
    if not isfinite(sample.at_seconds):  # TypeError for None
        raise ValueError("no time")
    return sample


def encode_targets(targets: Iterable[Target]) -> bytes:
    """Targets as a message. Pods that share a transport, which may have 250 kB of certificates, have it there once."""
    transports: dict[Transport | SourceError, int] = {}
    rows: list[list[object]] = []
    for each in targets:
        row: list[object] = [*each.pod, each.number]
        if each.address is not None:
            place = transports.setdefault(each.address.transport, len(transports))
            row += each.address.urls, place, each.address.late_after_seconds
        rows.append(row)
    return json.dumps([[_written(each) for each in transports], rows]).encode()


def decode_targets(body: bytes) -> list[Target]:
    """What `encode_targets` made."""
    written, rows = json.loads(body)
    transports = [_read(each) for each in written]
    return [
        Target(Key(namespace, name), number, Address(tuple(at[0]), transports[at[1]], at[2]) if at else None)
        for namespace, name, number, *at in rows
    ]


def _written(transport: Transport | SourceError) -> Any:  # noqa: ANN401 - JSON
    return [transport.kind, str(transport)] if isinstance(transport, SourceError) else asdict(transport)


def _read(written: Any) -> Transport | SourceError:  # noqa: ANN401 - JSON
    if isinstance(written, list):
        return SourceError(SourceErrorKind(written[0]), written[1])
    headers = tuple((name, value) for name, value in written["headers"])
    return Transport(**{**written, "headers": headers, "names": Names(**written["names"])})


def frame(body: bytes) -> bytes:
    """A message with its length before it."""
    return _LENGTH.pack(len(body)) + body


async def receive(stream: asyncio.StreamReader, most_bytes: int | None = None) -> bytes:
    """The next message. Raises IncompleteReadError at the end of the stream, and ValueError for one that is too long."""
    (length,) = _LENGTH.unpack(await stream.readexactly(_LENGTH.size))
    if most_bytes is not None and length > most_bytes:
        raise ValueError(f"a message of {length} bytes, more than {most_bytes}")
    return await stream.readexactly(length)
