"""Finished runs, each in a file that is named by a hash of all that it depends on, so that only what changed is played again."""

import ast
import hashlib
import json
import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

from benchmarks.decisions import clairvoyant
from benchmarks.decisions.cases import TRAFFIC
from benchmarks.decisions.jobs import OURS, PEERS, Job, Result, asked
from replay.checkpoints import LIBRARIES, PACKAGES

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "outrider" / "benchmark"
PLAYED_BY = ("replay.runs", "replay.scenario.build", "replay.traces.read")
FORMAT = 1  # of a file


def load(job: Job) -> Result | None:
    """The figures of a finished run; None where there are none that can be read."""
    with suppress(OSError, ValueError, TypeError, AttributeError):
        return Result.of(json.loads(path(job).read_text()))
    return None


def save(file: Path, result: Result) -> None:
    """Keep a run: whole, or not at all. What cannot be written is played again.

    `file` is its `path` from before it was played: the source may be edited meanwhile, and the run is of the source before.
    """
    partial = file.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(result.document()))
        partial.replace(file)


def path(job: Job) -> Path:
    """The file of a run."""
    traffic = TRAFFIC[job.case.traffic]
    parts = (FORMAT, traffic, traffic.path.stat().st_size, asked(job), job.case.seed, job.contender, job.value)
    return FOLDER / f"{hashlib.sha1(repr((*parts, code(module(job.contender)))).encode()).hexdigest()}.json"


def module(contender: str) -> str:
    """Where a contender's code begins."""
    if contender == clairvoyant.KEY:
        return "replay.optimum"
    entry = OURS if contender == OURS.key else PEERS[contender]
    made_by = entry.make or (entry.knob and entry.knob.make)
    return getattr(made_by, "__module__", "replay.contenders.registry")


@cache
def code(module: str) -> str:
    """A hash of the source that a run of this contender can reach, and of the libraries and the machine."""
    digest = hashlib.sha256(f"{platform.machine()} {platform.python_version()}".encode())
    for library in LIBRARIES:
        digest.update(f"{library} {version(library)}\n".encode())
    for file in sorted(reached((module, *PLAYED_BY))):
        digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def reached(modules: tuple[str, ...]) -> set[Path]:
    """The files of these modules and of all of ours that they import, and so on."""
    found: set[Path] = set()
    names = list(modules)
    while names:
        file = _file(names.pop())
        if file is not None and file not in found:
            found.add(file)
            names += _imports(file)
    return found


def _file(module: str) -> Path | None:
    """Of a module of ours; None for others, and for what is no module but a name in one."""
    if module.partition(".")[0] not in PACKAGES:
        return None
    at = ROOT / module.replace(".", "/")
    return next((file for file in (at.with_suffix(".py"), at / "__init__.py") if file.is_file()), None)


@cache
def _imports(file: Path) -> tuple[str, ...]:
    return tuple(_imported(file))


def _imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
