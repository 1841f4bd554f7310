"""Check policy files offline and list every problem, with its line, its reason and what to write instead."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crds.completion import policy_files

if TYPE_CHECKING:
    from rich.console import Console

    from crds.files import Inspected
    from crds.inspection import Found
    from crds.resolve.problems import Problem


def command(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="YAML or JSON files, and folders that are searched for them; - reads standard input.",
            autocompletion=policy_files,
        ),
    ],
    strict: Annotated[bool, typer.Option("--strict", help="Count warnings as problems.")] = False,
    allow_empty: Annotated[bool, typer.Option("--allow-empty", help="Accept files without any policy.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check policy files offline and list every problem, with its line, its reason and what to write instead.

    A warning marks what is valid but contradicts itself, such as more prepared nodes than replicas. Where a target is in the
    files as well, it also says if its pods keep no compile cache, or do not find weights that come as an image.

    Pools and the policies that join them are checked together: a pool that is not in the files, a namespace that no member of
    it selects, minimums above what it grants, and offerings that the pods of a target cannot land on.

    Of a folder, all *.yaml, *.yml and *.json files below it are read. Resources of other APIs are skipped.

    Exit code 0: no problems; 2: problems were found, or there was no policy at all.

    Examples:
        outrider check policies/ pools/
        kubectl get scpol,gpool -A -o yaml | outrider check -
    """
    from dataclasses import replace

    from autoscaler.clock import WallClock
    from crds.files import inspect_files

    inspected = inspect_files(files, WallClock().now())
    if not allow_empty and not any(found.judged for found in inspected.resources):
        inspected = replace(inspected, resources=(*inspected.resources, *_without_policies(files)))
    if as_json:
        print(json.dumps(_document(inspected), indent=2, allow_nan=False))
    elif sys.stdout.isatty():
        _show(inspected)
    else:
        _print(inspected)
    wrong = any(found.problems or (strict and found.warnings) for found in inspected.resources)
    raise typer.Exit(2 if wrong else 0)


def _without_policies(files: Sequence[str]) -> "list[Found]":
    from crds.files import shown_name
    from crds.inspection import unreadable
    from crds.kinds import names
    from crds.resolve.problems import Problem

    problem = Problem("", None, f"no {names()} found", "a file or folder with one, or --allow-empty")
    return [unreadable(shown_name(file), 0, problem) for file in dict.fromkeys(files)]


def _print(inspected: "Inspected") -> None:
    """One line for each problem and warning, as compilers write them. What is valid or skipped goes to stderr."""
    from crds.kinds import names

    for found in inspected.resources:
        for line in (*found.lines(), *found.warned()):
            print(line)
        if not found.problems:
            verdict = f"valid: {found.resolved.summary}" if found.resolved else f"not a {names()}, skipped"
            print(f"{found.where}: {found.title}: {verdict}", file=sys.stderr)
    print(_summary(inspected), file=sys.stderr)


def _show(inspected: "Inspected") -> None:
    """The same for a terminal."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(highlight=False)
    for found in inspected.resources:
        mark, style = ("✗", "bold red") if found.problems else ("✓", "bold green") if found.resolved else ("-", "dim")
        title = f" {found.title}  " if found.title else " "
        console.print(Text.assemble((mark, style), title, (found.where, "dim")))
        if found.resolved:
            console.print(Padding(Text(found.resolved.summary, "dim"), (0, 0, 0, 2)))
        for line, problem in found.problems:
            _show_one(console, found, line, problem)
        for line, problem in found.warnings:
            _show_one(console, found, line, problem, "warning: ")
    console.print(Text(_summary(inspected), "bold"))


def _show_one(console: "Console", found: "Found", line: int, problem: "Problem", level: str = "") -> None:
    from rich.padding import Padding
    from rich.text import Text

    from crds.inspection import shown

    if what := problem.path or found.title:
        place = f"{line:>5} " if line else " " * 6
        console.print(Text.assemble((place, "dim"), (level, "yellow"), (what, "cyan"), f"  {shown(problem.value)}"))
    console.print(Padding(Text(problem.why), (0, 0, 0, 8)))
    console.print(Padding(Text(problem.instead, "green"), (0, 0, 0, 8)))


def _document(inspected: "Inspected") -> dict[str, object]:
    return {
        "resources": [
            _place(found) | {"problems": _listed(found.problems), "warnings": _listed(found.warnings)}
            for found in inspected.resources
            if found.judged
        ],
        "skipped": [_place(found) for found in inspected.resources if not found.judged],
        "files": inspected.files,
        "files_without_policy": inspected.without_policy,
    }


def _place(found: "Found") -> dict[str, object]:
    return {"file": found.file, "line": found.line or None, "resource": found.title or None}


def _listed(problems: "Sequence[tuple[int, Problem]]") -> list[dict[str, Any]]:
    from crds.inspection import as_json

    return [
        {
            "path": problem.path,
            "line": line or None,
            "value": json.loads(as_json(problem.value)),
            "why": problem.why,
            "instead": problem.instead,
        }
        for line, problem in problems
    ]


def _summary(inspected: "Inspected") -> str:
    resources, without = inspected.resources, inspected.without_policy
    valid = sum(found.resolved is not None for found in resources)
    problems = sum(len(found.problems) for found in resources)
    warnings = sum(len(found.warnings) for found in resources)
    parts = [f"{valid} valid", _count(problems, "problem")]
    parts += [_count(warnings, "warning")] if warnings else []
    parts += [f"{without} of {_count(inspected.files, 'file')} without a policy"] if without else []
    return ", ".join(parts)


def _count(number: int, thing: str) -> str:
    return f"{number or 'no'} {thing}{'s' if number != 1 else ''}"
