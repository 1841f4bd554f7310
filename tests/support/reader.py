"""A reader of a page, who types its commands one after the other in a fresh copy of what they need."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from autoscaler.records.writer import Recorder
from policies.model import Inputs, State, StepResult
from replay.contenders.outrider import Outrider
from replay.driver import run
from tests.replay.demo.live import the_scenario, the_workload
from tests.support import programs
from tests.support.pages import ROOT, Command

NAMESPACES = ("llm", "default")  # the first is the target's own
FILE_SECONDS = 300.0


class Reader:
    """Types into bash. `programs` are shell scripts: by default, the stand-ins of `tests.support.programs`."""

    def __init__(self, folder: Path, **scripts: str) -> None:
        self.folder, bin_folder = folder / "outrider", folder / "bin"
        shutil.copytree(ROOT / "deploy", self.folder / "deploy")
        for path in (ROOT / "Makefile", ROOT / "pyproject.toml", *ROOT.glob("*.lock")):
            shutil.copy(path, self.folder)
        stand_ins = {name: f'exec "{sys.executable}" "{programs.__file__}" {name} "$@"' for name in programs.PROGRAMS}
        own = {"outrider": f'exec "{Path(sys.executable).parent}/outrider" "$@"'}
        for place, name, script in [
            *((bin_folder, *each) for each in (stand_ins | scripts).items() if each[0] != "outrider"),
            (self.folder / ".venv" / "bin", "outrider", (own | scripts)["outrider"]),
        ]:
            place.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(f"#!/bin/sh\n{script}\n")
            (place / name).chmod(0o755)
        remembered = folder / "remembered.json"
        namespaces = ", ".join(f'{{"kind": "Namespace", "metadata": {{"name": "{name}"}}}}' for name in NAMESPACES)
        remembered.write_text(f"[{namespaces}]")
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
    workload, scenario = the_workload(), the_scenario(start="12m", duration="15m", past="none")
    recorder = Recorder(folder)

    def watch(before: State, inputs: Inputs, result: StepResult) -> None:
        if inputs.now_seconds % FILE_SECONDS == 0:
            recorder.close()
        recorder.record(workload.policy, before, inputs, result)

    run(scenario, Outrider(workload.policy, workload.cold_start, scenario.past, watch=watch))
    recorder.close()
    assert len(list(folder.glob("*.jsonl"))) > 1
