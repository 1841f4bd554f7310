"""A reader of a page, who types its commands one after the other in a fresh copy of what they need."""

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from autoscaler.records import writer
from autoscaler.records.writer import Recorder
from replay.contenders.outrider import Outrider
from replay.driver import run
from tests.replay.demo.live import the_scenario, the_workload
from tests.support import programs
from tests.support.pages import ROOT, Command

NAMESPACES = ("llm", "default")  # the first is the target's own


class Reader:
    """Types into bash. `outrider` is the real one; the programs of `tests.support.programs` stand in for the rest."""

    def __init__(self, folder: Path) -> None:
        self.folder, bin_folder = folder / "outrider", folder / "bin"
        self.folder.mkdir()
        bin_folder.mkdir()
        for name in programs.PROGRAMS:
            path = bin_folder / name
            path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{programs.__file__}" {name} "$@"\n')
            path.chmod(0o755)
        shutil.copytree(ROOT / "deploy", self.folder / "deploy")
        shutil.copy(ROOT / "Makefile", self.folder)
        for name in ("requirements.lock", "pyproject.toml"):
            shutil.copy(ROOT / name, self.folder)
        (self.folder / ".venv").mkdir()
        (self.folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
        remembered = folder / "remembered.json"
        namespaces = ", ".join(f'{{"kind": "Namespace", "metadata": {{"name": "{name}"}}}}' for name in NAMESPACES)
        remembered.write_text(f"[{namespaces}]")
        write_logs(folder / "pods" / "decisions")
        self._environment = os.environ | {
            "PATH": f"{bin_folder}:{os.environ['PATH']}",
            "REAL_PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "REMEMBERED": str(remembered),
            "PODS": str(folder / "pods"),
            "COLUMNS": "120",
        }

    def types(self, command: Command) -> subprocess.CompletedProcess[str]:
        """What comes of it."""
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", command.text],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


def write_logs(folder: Path) -> None:
    """The decision log of a quarter of an hour's rush, in several files, as a controller leaves it."""
    workload, scenario = the_workload(), the_scenario(start="7d12m", duration="15m", past="none")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "LINES_A_FILE", 60)
        recorder = Recorder(folder)
        watch = partial(recorder.record, workload.policy)
        run(scenario, Outrider(workload.policy, workload.cold_start, scenario.past, watch=watch))
        recorder.close()
    assert len(list(folder.glob("*.jsonl"))) > 1
