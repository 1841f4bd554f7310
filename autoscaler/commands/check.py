"""Check ScalingPolicy files offline: every problem, with its line, its reason and what to write instead."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from crds.inspection import Found
    from crds.workload import Problem, Workload


def command(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="YAML files; - is standard input.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check ScalingPolicy files offline: every problem, with its line, its reason and what to write instead.

    Resources of other kinds are passed over. Exit code 0: no problem; 2: some.
    """
    from crds.inspection import rivals

    resources = rivals([found for file in files for found in _read(file)])
    if as_json:
        print(json.dumps(_document(resources), indent=2, ensure_ascii=False, allow_nan=False))
    elif sys.stdout.isatty():
        _show(resources)
    else:
        _print(resources)
    raise typer.Exit(2 if any(found.problems for found in resources) else 0)


def _read(file: str) -> "list[Found]":
    from crds.inspection import Found, inspect
    from crds.workload import Problem

    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        problem = Problem("", None, f"it cannot be read: {error.strerror}", "a YAML file, or - for standard input")
    except UnicodeDecodeError as error:
        problem = Problem("", None, f"byte {error.start} is not UTF-8", "a text file in UTF-8")
    else:
        return list(inspect("stdin" if file == "-" else file, text))
    return [Found(file, 1, "file", None, ((1, problem),))]


def _print(resources: "Sequence[Found]") -> None:
    """One line for each problem, as compilers write them; what is fine and what is passed over goes to stderr."""
    for found in resources:
        for line, problem in found.problems:
            what = ": ".join(part for part in (problem.path or found.title, _shown(problem)) if part)
            print(f"{found.file}:{line}: {what}: {problem.why}; instead: {problem.instead}")
        if not found.problems:
            word = f"fine: {_promise(found.workload)}" if found.workload else "not a ScalingPolicy, passed over"
            print(f"{found.file}:{found.line}: {found.title}: {word}", file=sys.stderr)
    print(_summary(resources), file=sys.stderr)


def _show(resources: "Sequence[Found]") -> None:
    """The same for a terminal."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(highlight=False)
    for found in resources:
        mark, style = ("✗", "bold red") if found.problems else ("✓", "bold green") if found.workload else ("-", "dim")
        console.print(Text.assemble((mark, style), f" {found.title}  ", (f"{found.file}:{found.line}", "dim")))
        if found.workload:
            console.print(Padding(Text(_promise(found.workload), "dim"), (0, 0, 0, 2)))
        for line, problem in found.problems:
            value = _shown(problem)
            console.print(Text.assemble((f"{line:>5} ", "dim"), (problem.path or found.title, "cyan"), f"  {value}"))
            console.print(Padding(Text(problem.why), (0, 0, 0, 8)))
            console.print(Padding(Text(problem.instead, "green"), (0, 0, 0, 8)))
    console.print(Text(_summary(resources), "bold"))


def _document(resources: "Sequence[Found]") -> dict[str, object]:
    return {
        "policies": [
            {
                "file": found.file,
                "line": found.line,
                "resource": found.title,
                "problems": [
                    {
                        "path": problem.path,
                        "line": line,
                        "value": json.loads(_json(problem.value)),
                        "why": problem.why,
                        "instead": problem.instead,
                    }
                    for line, problem in found.problems
                ],
            }
            for found in resources
            if found.workload or found.problems
        ],
        "passed_over": [
            {"file": found.file, "line": found.line, "resource": found.title}
            for found in resources
            if not found.workload and not found.problems
        ],
    }


def _summary(resources: "Sequence[Found]") -> str:
    problems = sum(len(found.problems) for found in resources)
    fine = sum(found.workload is not None for found in resources)
    if not problems and not fine:
        return "no ScalingPolicy found"
    wrong = f"{problems} problem{'s' if problems != 1 else ''}" if problems else "no problems"
    return f"{wrong}, {fine} polic{'ies' if fine != 1 else 'y'} fine"


def _promise(workload: "Workload") -> str:
    policy, target = workload.policy, workload.target
    return (
        f"{target.kind} {target.name}, {policy.min_replicas} to {policy.max_replicas} replicas; "
        f"{policy.attainment * 100:g}% of requests wait at most {policy.queue_wait_seconds:g} s; {workload.mode}"
    )


def _shown(problem: "Problem") -> str:
    """The value on one line, cut where it is long; empty where something is missing."""
    from crds.problems import printable

    if problem.value is None:
        return ""
    text = printable(_json(problem.value))
    return text if len(text) <= 60 else f"{text[:57]}..."


def _json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
    except (TypeError, ValueError):  # keys that are no text, NaN, a list inside itself
        return json.dumps(repr(value), ensure_ascii=False)
