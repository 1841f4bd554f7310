"""What several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from crds.completion import files

LogsArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="LOG",
        help="Decision logs (decisions-*.jsonl, also gzipped) or folders of such logs; - reads standard input.",
        autocompletion=files(".jsonl", ".jsonl.gz"),
    ),
]
PolicyOption = Annotated[
    str | None, typer.Option("--policy", metavar="NAMESPACE/NAME", help="Report only this policy.")
]
SinceOption = Annotated[
    str | None,
    typer.Option(
        "--since", metavar="TIME", help="Start at this time, such as 2026-05-04T09:30:00Z, or in Unix seconds."
    ),
]
UntilOption = Annotated[str | None, typer.Option("--until", metavar="TIME", help="End at this time.")]
LastOption = Annotated[
    str | None,
    typer.Option("--last", metavar="DURATION", help="Start so long before the last decision, such as 90m, 24h or 7d."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
