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
