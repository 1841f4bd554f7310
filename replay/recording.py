"""The decision log of a replay, as the live controller writes it, so that `explain` and `redecide` read it."""

import platform
from typing import TextIO

from policies.log import STATE_EVERY_LINES, decision_line, header_line, state_line
from policies.model import Inputs, Policy, StepResult
from replay.contenders.outrider import opening
from replay.scenario.scenario import Scenario


class DecisionLog:
    """Writes every decision of one run to a file. OSErrors come as they are."""

    def __init__(self, file: TextIO, policy: Policy, scenario: Scenario) -> None:
        """The first state is the one that Outrider starts this scenario with."""
        self._file, self._policy = file, policy
        self._state = opening(policy, scenario.past, scenario.start_seconds).state
        self._decisions = 0
        file.write(header_line(f"{platform.system()}-{platform.machine()}-{platform.python_version()}") + "\n")

    def record(self, inputs: Inputs, result: StepResult) -> None:
        """Write one decision, before it the state where folding has to start anew."""
        if self._decisions % STATE_EVERY_LINES == 0:
            self._file.write(state_line(self._policy, self._state) + "\n")
        self._file.write(decision_line(self._policy, inputs, result) + "\n")
        self._state = result.state
        self._decisions += 1
