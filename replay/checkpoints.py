"""Finished runs, kept until the whole is done: a sweep that was interrupted goes on where it stopped."""

import hashlib
import json
import os
import platform
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, fields, replace
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from zipfile import BadZipFile

import joblib
import numpy as np

from replay.driver import Outcome
from replay.runs import Play, Run, RunProgress
from replay.scenario.scenario import Scenario
from replay.sim.views import Score, Timeline
from replay.traces.trace import Requests

PACKAGES = ("crds", "forecasting", "policies", "replay")  # all that a run executes of ours
LIBRARIES = ("numba", "numpy", "scipy", "statsmodels")
TIMELINE = tuple(field.name for field in fields(Timeline))


@cache
def code_version() -> str:
    """A hash of our source, and of the libraries and the machine that results depend on."""
    digest = hashlib.sha256(f"{platform.machine()} {platform.python_version()}".encode())
    for library in LIBRARIES:
        digest.update(f"{library} {version(library)}\n".encode())
    for package in PACKAGES:
        root = Path(str(files(package)))
        for path in sorted(root.rglob("*.py")):
            digest.update(f"{package}/{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


class Checkpoints:
    """Outcomes in a folder, each in a file that is named by a hash of all that it depends on.

    A file that cannot be read counts as missing, and one that cannot be written costs only time.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._hashed: tuple[Requests, str] | None = None
        self._used: set[Path] = set()
        self.resumed = 0  # runs that an earlier command had finished

    def around(self, play: Play) -> Play:
        """As `play`, but runs that are kept here are not played again, and others are kept as soon as they are done."""

        def kept_or_played(runs: Sequence[Run], progress: RunProgress, /) -> Iterator[tuple[Run, Outcome]]:
            paths = {run: self.path(run) for run in runs}
            missing: list[Run] = []
            for run, path in paths.items():
                if outcome := _load(path):
                    self._used.add(path)
                    self.resumed += 1
                    yield run, outcome
                else:
                    missing.append(run)
            for run, outcome in play(missing, progress) if missing else ():
                with suppress(OSError):
                    _save(paths[run], outcome)
                    self._used.add(paths[run])
                yield run, outcome

        return kept_or_played

    def __len__(self) -> int:
        """Runs of this command that are kept."""
        return len(self._used)

    def clear(self) -> None:
        """Remove what this command has used."""
        for path in self._used:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        self._used.clear()

    def path(self, run: Run) -> Path:
        """The file of a run."""
        depends_on = (code_version(), self._traffic(run.scenario), _without_traffic(run.scenario), run.workload)
        key = joblib.hash((*depends_on, run.entry.key, run.knob_value), hash_name="sha1")
        return self._folder / f"{key}.npz"

    def _traffic(self, scenario: Scenario) -> str:
        """Hashed once: a week of it takes seconds."""
        if self._hashed is None or self._hashed[0] is not scenario.requests:
            self._hashed = scenario.requests, str(joblib.hash(scenario.requests, hash_name="sha1"))
        return self._hashed[1]


def _without_traffic(scenario: Scenario) -> Scenario:
    return replace(scenario, requests=Requests(np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64)))


def _save(path: Path, outcome: Outcome) -> None:
    figures = asdict(replace(outcome.score, timeline=None))  # type: ignore[arg-type]
    figures.pop("timeline")
    rows = {name: getattr(outcome.score.timeline, name) for name in TIMELINE}
    partial = path.with_suffix(f".{os.getpid()}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with partial.open("wb") as file:
            np.savez(file, figures=json.dumps([figures, outcome.attainment]), **rows)
        partial.replace(path)  # whole, or not at all
    finally:
        partial.unlink(missing_ok=True)


def _load(path: Path) -> Outcome | None:
    try:
        with np.load(path, allow_pickle=False) as kept:
            figures, attainment = json.loads(str(kept["figures"]))
            timeline = Timeline(*(kept[name] for name in TIMELINE))
        return Outcome(Score(**figures, timeline=timeline), attainment)
    except (OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError, BadZipFile, zlib.error):
        return None
