"""Check policy files offline and list every problem, with its line, its reason and what to write instead."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from crds.completion import policy_files

if TYPE_CHECKING:
    from crds.inspection import Found


def command(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="YAML files; - reads standard input.", autocompletion=policy_files),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check policy files offline and list every problem, with its line, its reason and what to write instead.

    Resources of other APIs are skipped. Exit code 0: no problems; 2: problems were found.

    Examples:
        outrider check policy.yaml
        kubectl get scpol -A -o yaml | outrider check -
    """
    from crds.files import inspect_files

    resources = inspect_files(files)
    if as_json:
        print(json.dumps(_document(resources), indent=2, ensure_ascii=False, allow_nan=False))
    elif sys.stdout.isatty():
        _show(resources)
    else:
        _print(resources)
    raise typer.Exit(2 if any(found.problems for found in resources) else 0)


def _print(resources: "Sequence[Found]") -> None:
    """One line for each problem, as compilers write them. What is valid or skipped goes to stderr."""
    for found in resources:
        for line in found.lines():
            print(line)
        if not found.problems:
            verdict = f"valid: {found.resolved.summary}" if found.resolved else f"not a {_kinds()}, skipped"
            print(f"{found.file}:{found.line}: {found.title}: {verdict}", file=sys.stderr)
    print(_summary(resources), file=sys.stderr)


def _show(resources: "Sequence[Found]") -> None:
    """The same for a terminal."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    from crds.inspection import shown

    console = Console(highlight=False)
    for found in resources:
        mark, style = ("✗", "bold red") if found.problems else ("✓", "bold green") if found.resolved else ("-", "dim")
        console.print(Text.assemble((mark, style), f" {found.title}  ", (f"{found.file}:{found.line}", "dim")))
        if found.resolved:
            console.print(Padding(Text(found.resolved.summary, "dim"), (0, 0, 0, 2)))
        for line, problem in found.problems:
            what = (problem.path or found.title, "cyan")
            console.print(Text.assemble((f"{line:>5} ", "dim"), what, f"  {shown(problem.value)}"))
            console.print(Padding(Text(problem.why), (0, 0, 0, 8)))
            console.print(Padding(Text(problem.instead, "green"), (0, 0, 0, 8)))
    console.print(Text(_summary(resources), "bold"))


def _document(resources: "Sequence[Found]") -> dict[str, object]:
    from crds.inspection import as_json

    return {
        "resources": [
            {
                "file": found.file,
                "line": found.line,
                "resource": found.title,
                "problems": [
                    {
                        "path": problem.path,
                        "line": line,
                        "value": json.loads(as_json(problem.value)),
                        "why": problem.why,
                        "instead": problem.instead,
                    }
                    for line, problem in found.problems
                ],
            }
            for found in resources
            if found.resolved or found.problems
        ],
        "skipped": [
            {"file": found.file, "line": found.line, "resource": found.title}
            for found in resources
            if not found.resolved and not found.problems
        ],
    }


def _summary(resources: "Sequence[Found]") -> str:
    problems = sum(len(found.problems) for found in resources)
    valid = sum(found.resolved is not None for found in resources)
    if not problems and not valid:
        return f"no {_kinds()} found"
    return f"{valid} valid, {problems or 'no'} problem{'s' if problems != 1 else ''}"


def _kinds() -> str:
    from crds.kinds import KINDS
    from crds.resolve.problems import spell

    return spell((kind.name for kind in KINDS), "or")
