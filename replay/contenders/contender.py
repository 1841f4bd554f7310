"""What a contender is: something that acts on a view of the cluster, every so often; and how a tournament enters one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from crds.workload import Workload
from policies.model import Inputs, State, StepResult
from replay.contenders.view import View
from replay.sim.kernel import Engine
from replay.traces.trace import Totals

Watch = Callable[
    [State, Inputs, StepResult], None
]  # called with each decision of Outrider; the state is the one before


@dataclass
class Periodic:
    """Something that happens every `period_seconds`, next at `due_seconds` (Unix)."""

    due_seconds: float
    period_seconds: float
    act: Callable[[float], None]


class Contender(Protocol):
    """What scales: a policy of ours, or a peer."""

    def attach(self, view: View) -> Sequence[Periodic]:
        """Take control of a cluster; of two that are due together, the first in the list acts first."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What every contender may know before the traffic starts."""

    workload: Workload
    engine: Engine  # what a replica really is, for the peers whose settings come from a profile of it
    past: Totals | None = None  # traffic before the start, in Unix time
    watch: Watch = lambda _before, _inputs, _result: None


@dataclass(frozen=True, slots=True)
class Knob:
    """The one setting that a contender is tuned by."""

    name: str
    unit: str
    grid: Callable[[Setup], tuple[float, ...]]  # the values to begin with, ascending
    between: Callable[[float, float], float]  # a value halfway between two, for a finer search
    make: Callable[[Setup, float], Contender]


@dataclass(frozen=True, slots=True)
class Entry:
    """A contender as the tournament and its report know it. It plays as `make` gives it, or tuned by its knob, or both.

    No entry is given the traffic to come. A contender that is entitled to it, such as a clairvoyant optimum, is an entry
    whose `make` has been bound to the scenario.
    """

    key: str  # in JSON
    name: str  # in the report
    style: str  # one of the eight basic colours of a terminal
    make: Callable[[Setup], Contender] | None = None
    knob: Knob | None = None
