"""A still of the demo's view as an SVG: the same moment of the same scenario always, without waiting for it.

It is played in virtual time by the policy core itself, which decides the same in the live controller.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.console import Console

from crds.workload import Workload
from policies.ladder import lead_seconds, replica_rung
from policies.model import Inputs, Plan, State, StepResult
from replay.contenders.contender import Periodic
from replay.contenders.outrider import Outrider
from replay.contenders.view import View
from replay.demo.journal import Entry, entry
from replay.demo.live_run import LiveRun
from replay.demo.view import picture
from replay.driver import run
from replay.scenario.scenario import Scenario
from replay.simcluster.state import snapshot

UNTIL_SECONDS = 1260.0  # 09:21, in the middle of the rush
FRAME_SECONDS = 5.0
SIZE = 100, 30
SPEED = 30.0  # that the view shows


@dataclass
class Watched:
    """Outrider at work, watched as the demo watches the live controller."""

    scenario: Scenario
    workload: Workload

    def __post_init__(self) -> None:
        policy, cold_start = self.workload.policy, self.workload.cold_start
        self._outrider = Outrider(policy, cold_start, self.scenario.past, watch=self._decided)
        self.seen = LiveRun(self.scenario.start_seconds, lead_seconds(cold_start, replica_rung(policy)))
        self._entries: list[Entry] = []
        self._plan: Plan | None = None

    def attach(self, view: View) -> Sequence[Periodic]:
        """As a contender; a frame is taken after whatever else is due."""
        self._view = view
        return (*self._outrider.attach(view), Periodic(view.now_seconds, FRAME_SECONDS, self._frame))

    def _decided(self, _before: State, inputs: Inputs, result: StepResult) -> None:
        if result.plan is not None:
            self._entries.append(entry(result.plan, inputs.fan, self._plan))
            self._plan = result.plan

    def _frame(self, _now_seconds: float) -> None:
        shown = {**snapshot(self._view, self.scenario, None), "speed": SPEED, "waits_for": None}
        self.seen.update(shown, self._entries)
        self._entries = []


def still(scenario: Scenario, workload: Workload) -> str:
    """The SVG, which asks no other host for a font."""
    watched = Watched(scenario, workload)
    run(replace(scenario, duration_seconds=UNTIL_SECONDS), watched)
    columns, rows = SIZE
    console = Console(width=columns, height=rows, record=True, file=io.StringIO(), force_terminal=True)
    console.print(picture(watched.seen, SIZE))
    return re.sub(
        r"@font-face \{.*?\}\s*", "", console.export_svg(title="make demo", unique_id="demo"), flags=re.DOTALL
    )
