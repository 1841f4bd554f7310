"""The policy of a replay: the one ScalingPolicy of a file, or the one that stands in where none is given."""

import json
from pathlib import Path

from crds.inspection import inspect, rivals
from crds.problems import printable
from crds.resolve import resolve
from crds.v1alpha1 import GROUP, VERSION
from crds.workload import Problem, Workload


class PolicyError(Exception):
    """A file that gives no policy; the message has a line for every problem."""


def read(path: Path) -> Workload:
    """The one ScalingPolicy of a YAML file; resources of other kinds are passed over. Raises PolicyError."""
    try:
        found = rivals(inspect(str(path), path.read_bytes().decode("utf-8-sig")))
    except OSError as error:
        raise PolicyError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise PolicyError(f"{path}: byte {error.start} is not UTF-8; give a YAML file") from error
    problems = [
        f"{each.file}:{line}: {_told(each.title, problem)}" for each in found for line, problem in each.problems
    ]
    if problems:
        raise PolicyError("\n".join(problems))
    workloads = [each.workload for each in found if each.workload is not None]
    if len(workloads) != 1:
        raise PolicyError(f"{path}: holds {len(workloads)} ScalingPolicies; a replay plays one")
    return workloads[0]


def default(profile: str = "8b-h100") -> Workload:
    """1 to 400 replicas of that profile; 99 % of the requests wait at most 5 s."""
    spec = {
        "target": {"name": "llm"},
        "slo": {"queueWait": "5s", "attainment": "99%"},
        "minReplicas": 1,
        "maxReplicas": 400,
        "profile": profile,
    }
    metadata = {"name": "replay", "namespace": "default"}
    workload = resolve(
        {"apiVersion": f"{GROUP}/{VERSION}", "kind": "ScalingPolicy", "metadata": metadata, "spec": spec}
    )
    if not isinstance(workload, Workload):
        raise PolicyError(f"{workload[0].path}: {workload[0].why}; instead: {workload[0].instead}")
    return workload


def _told(title: str, problem: Problem) -> str:
    value = "" if problem.value is None else printable(json.dumps(problem.value, ensure_ascii=False, default=str))[:60]
    what = ": ".join(part for part in (problem.path or title, value) if part)
    return f"{what}: {problem.why}; instead: {problem.instead}"
