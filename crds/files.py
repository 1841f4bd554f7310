"""The one reader of policy files. A file is a path, or `-` for standard input."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crds.inspection import Found, inspect, rivals, unreadable
from crds.kinds import SCALING_POLICY
from crds.resolve.problems import Problem
from crds.workload import Workload


class PolicyFileError(Exception):
    """A file without the policies that are needed. The message has a line for each problem."""


@dataclass(frozen=True, slots=True)
class PolicyDocument:
    """One valid ScalingPolicy of a file."""

    where: str  # FILE:LINE
    raw: Mapping[str, Any]  # as it is written
    workload: Workload


def inspect_files(files: Iterable[str]) -> list[Found]:
    """Everything in the files, in order. A file that cannot be read is a problem, and so are two policies for one target."""
    return rivals(found for file in files for found in _inspect(file))


def policies(file: str) -> list[PolicyDocument]:
    """The ScalingPolicies of a file; resources of other kinds are skipped. Raises PolicyFileError for any problem."""
    resources = inspect_files([file])
    if lines := [line for found in resources for line in found.lines()]:
        raise PolicyFileError("\n".join(lines))
    return [
        PolicyDocument(f"{found.file}:{found.line}", found.raw, found.resolved)
        for found in resources
        if isinstance(found.resolved, Workload) and isinstance(found.raw, Mapping)
    ]


def one_policy(file: str) -> PolicyDocument:
    """The one ScalingPolicy of a file. Raises PolicyFileError for any problem, for no policy and for several."""
    found = policies(file)
    if len(found) != 1:
        raise PolicyFileError(f"{_name(file)}: expected exactly one {SCALING_POLICY.name}, found {len(found)}")
    return found[0]


def _inspect(file: str) -> Iterable[Found]:
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        problem = Problem("", None, f"cannot be read: {error.strerror}", "a YAML file, or - for standard input")
    except UnicodeDecodeError as error:
        problem = Problem("", None, f"byte {error.start} is not UTF-8", "a text file in UTF-8")
    else:
        return inspect(_name(file), text)
    return [unreadable(_name(file), 1, problem)]


def _name(file: str) -> str:
    return "stdin" if file == "-" else file
