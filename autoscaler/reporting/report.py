"""What there is to report about one policy at one moment: a value that its status and its Events are made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from autoscaler.reporting.events import TEXTS, EventReason
from autoscaler.reporting.readings import Readings
from crds.workload import Workload
from policies.cold_start_text import coming
from policies.explain import duration, explain
from policies.fetches import Ability
from policies.ladder import hold_seconds
from policies.model import Demand, Fan, Plan, Rule
from policies.pool import Granted
from policies.residual import Starting
from policies.supply import ColdStart, Supply


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """A policy that is followed: what was seen, what was decided, and what stands in the way. Empty texts: nothing does."""

    workload: Workload
    supply: Supply | None = None
    demand: Demand | None = None
    plan: Plan | None = None
    plan_before: Plan | None = None
    readings: Readings | None = None  # None: unknown
    cold_start: ColdStart | None = None  # as it is known now; None: as the workload has it
    unseen: tuple[str, ...] = ()  # what shows parts of starts, and cannot be read
    starting: tuple[Starting, ...] = ()  # replicas that do not serve yet, the one that is expected first in front
    fan: Fan | None = None  # the forecast that the last decision had
    problem: str = ""  # why the newest version of the policy cannot be followed; its last valid one is
    target_problem: str = ""  # why the target cannot be read
    refused: str = ""  # which replicas the API server does not let be created, as a sentence
    balloon_problem: str = ""  # why fewer nodes are prepared than planned, as a sentence
    capabilities: tuple[Ability, ...] = ()
    granted: Granted | None = None  # what its pool grants; None without a pool, and before the first decision
    pool_problem: str = ""  # why its pool cannot be used, so that it does not grow
    pool_contact: str = ""  # whom to ask for more of it
    state_problem: str = ""  # why the saved state was refused, for as long as nothing falls because of it
    history_problem: str = ""  # what is wrong with the history that was read at start, for as long

    @property
    def ready(self) -> bool:
        """Whether the policy is followed in its newest version, and its target can be read."""
        return self.supply is not None and not self.problem and not self.target_problem

    @property
    def explanation(self) -> str:
        """The last decision and its reason."""
        return "No decision has been made yet." if self.plan is None else explain(self.plan, self.plan_before)

    @property
    def sentence(self) -> str:
        """The explanation, and what an SRE has to know beside it."""
        said = [self.explanation]
        if self.starting:
            said.append(coming(self.starting))
        if self._is_from_the_past:
            said.append("Demand is unknown now, so nothing is scaled down.")
        if self.refused:
            said.append(self.refused)
        if self.state_problem:
            said.append(TEXTS[EventReason.STATE_REFUSED].format(**self.state_values))
        if self.history_problem:
            said.append(f"History before the start is incomplete: {self.history_problem}.")
        return " ".join(said)

    @property
    def _is_from_the_past(self) -> bool:
        """Whether the decision is made from the demand that was last known, and its explanation does not say so."""
        if self.plan is None or self.demand is None or self.demand.replicas is not None:
            return False
        reasons = self.plan.replica_reasons
        return not {reasons[0].rule, reasons[-1].rule} & {Rule.UNKNOWN, Rule.PARTIAL}

    @property
    def state_values(self) -> Mapping[str, str]:
        """What the sentence about the refused state is filled with."""
        hold = hold_seconds(self.workload.policy, self.cold_start or self.workload.cold_start)
        return {"problem": self.state_problem, "hold": duration(hold)}


class Reported(Protocol):
    """Whatever can be reported about."""

    def report(self, now_seconds: float) -> PolicyReport:
        """What there is to report at `now_seconds`."""
