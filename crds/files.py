"""The one reader of policy files. A file is a path, or `-` for standard input; a folder stands for the files below it."""

import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from crds.advice import advised
from crds.inspection import Found, inspect, rivals, unreadable
from crds.joining import joined
from crds.kinds import KINDS, SCALING_POLICY
from crds.pool import GpuPool
from crds.resolve.problems import Problem, printable
from crds.workload import Workload

SUFFIXES = (".yaml", ".yml", ".json")
_MAX_BYTES = 4 * 2**20  # parsed in about 10 s; the API server takes 1.5 MiB for one object
ResolvedT = TypeVar("ResolvedT", Workload, GpuPool)
_MARKS = (b"outrider", *(kind.name.lower().encode() for kind in KINDS))


class PolicyFileError(Exception):
    """A file without the policies that are needed. The message has a line for each problem."""


class _NotTextError(Exception):
    def __init__(self, line: int, why: str, instead: str) -> None:
        super().__init__(why)
        self.line = line
        self.problem = Problem("", None, why, instead)


@dataclass(frozen=True, slots=True)
class PolicyDocument:
    """One valid ScalingPolicy of a file."""

    where: str  # FILE:LINE
    raw: Mapping[str, Any]  # as it is written
    workload: Workload


@dataclass(frozen=True, slots=True)
class PoolDocument:
    """One valid GPUPool of a file."""

    where: str  # FILE:LINE
    raw: Mapping[str, Any]  # as it is written
    pool: GpuPool


@dataclass(frozen=True, slots=True)
class Inspected:
    """Everything in the files, in order, and how many of them have no policy."""

    resources: tuple[Found, ...]
    files: int
    without_policy: int


def inspect_files(names: Iterable[str], now_seconds: float | None = None) -> Inspected:
    """Everything in files and folders. A file that cannot be read is a problem, and so are two policies for one target.

    With `now_seconds` it is also warned of what has ended by then.
    """
    resources: list[Found] = []
    beside: list[Found] = []
    files = without = 0
    for file, named in _listed(names):
        everything = list(_inspect(file, named))
        found = everything if named else [it for it in everything if it.judged and _is_object(it.raw)]
        resources += found
        beside += everything
        files += 1
        without += not any(it.judged for it in found)
    return Inspected(tuple(joined(advised(rivals(resources), beside), beside, now_seconds)), files, without)


def policies(name: str) -> list[PolicyDocument]:
    """The ScalingPolicies of a file or folder; other resources are skipped. Raises PolicyFileError for any problem."""
    return [PolicyDocument(*found) for found in _valid(name, Workload)]


def pools(name: str) -> list[PoolDocument]:
    """The GPUPools of a file or folder; other resources are skipped. Raises PolicyFileError for any problem."""
    return [PoolDocument(*found) for found in _valid(name, GpuPool)]


def _valid(name: str, resolved: type[ResolvedT]) -> Iterator[tuple[str, Mapping[str, Any], ResolvedT]]:
    resources = inspect_files([name]).resources
    if lines := [line for found in resources for line in found.lines()]:
        raise PolicyFileError("\n".join(lines))
    for found in resources:
        if isinstance(found.resolved, resolved) and isinstance(found.raw, Mapping):
            yield found.where, found.raw, found.resolved


def one_policy(file: str) -> PolicyDocument:
    """The one ScalingPolicy of a file. Raises PolicyFileError for any problem, for no policy and for several."""
    found = policies(file)
    if len(found) != 1:
        raise PolicyFileError(f"{shown_name(file)}: expected exactly one {SCALING_POLICY.name}, found {len(found)}")
    return found[0]


def shown_name(file: str) -> str:
    """A file's name, as it can be printed."""
    return "stdin" if file == "-" else printable(file)


def _listed(names: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Every file once, with whether it was named itself. Of a folder, what is hidden is left out."""
    seen = set()
    for name in names:
        for file in _below(name) if name != "-" and os.path.isdir(name) else [name]:
            identity = file if file == "-" else os.path.realpath(file)
            if identity not in seen:
                seen.add(identity)
                yield file, file == name


def _below(folder: str) -> Iterator[str]:
    """The policy files below a folder, by name; a folder that cannot be read is given as a file, which fails."""
    unread: list[str] = []
    for at, folders, files in os.walk(folder, onerror=lambda error: unread.append(str(error.filename))):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (os.path.join(at, name) for name in sorted(files) if name.endswith(SUFFIXES) and name[0] != ".")
    yield from unread


def _inspect(file: str, named: bool) -> Iterable[Found]:
    try:
        if not named and not (stat.S_ISREG(os.stat(file).st_mode) or os.path.isdir(file)):
            return []
        data = _read(file)
        if not named and not any(mark in data.replace(b"\0", b"").lower() for mark in _MARKS):
            return []  # of a folder, Helm templates and the like need not be YAML
        found = inspect(shown_name(file), _text(data))
    except OSError as error:
        problem = Problem(
            "", None, f"cannot be read: {error.strerror}", "a YAML file, a folder, or - for standard input"
        )
        return [unreadable(shown_name(file), 0, problem)]
    except _NotTextError as error:
        return [unreadable(shown_name(file), error.line, error.problem)]
    return found


def _is_object(raw: object) -> bool:
    """Whether it looks like an object of Kubernetes: of a folder, a file of values need not be one. None: unreadable."""
    return raw is None or (isinstance(raw, Mapping) and not raw.keys().isdisjoint(("apiVersion", "kind")))


def _read(file: str) -> bytes:
    """The file, or as much of it as shows that it is too large: a device need not end."""
    if file != "-":
        with Path(file).open("rb") as opened:
            return _all(opened)
    if sys.stdin is None:
        raise OSError(0, "standard input is closed")
    return _all(sys.stdin.buffer)


def _all(opened: BinaryIO) -> bytes:
    return opened.read(_MAX_BYTES + 1)


def _text(data: bytes) -> str:
    if len(data) > _MAX_BYTES:
        raise _NotTextError(0, f"larger than {_MAX_BYTES // 2**20} MiB", "a file with the policies alone")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise _NotTextError(1, "UTF-16, not UTF-8", "the file converted: iconv -f UTF-16 -t UTF-8 FILE")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _NotTextError(line, f"byte {error.start} is not UTF-8", "a text file in UTF-8") from None
