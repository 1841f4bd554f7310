"""What there is to report about one pool at one moment: a value that its status, its Events and its metrics are made from."""

from dataclasses import dataclass

from crds.pool import GpuPool
from policies.pool import Ask, Granted, PoolInputs, PoolPlan, PoolState, StandbyPhase, StandbyUnit
from policies.pool_explain import explain_pool
from policies.pool_text import refusal_sentence

READY = (StandbyPhase.READY,)
NAMED = 3  # members whose refusals a sentence names


@dataclass(frozen=True, slots=True)
class PoolReport:
    """A pool that is followed: what was seen, what was decided, and what stands in the way. Empty texts: nothing does."""

    pool: GpuPool
    state: PoolState
    now_seconds: float
    inputs: PoolInputs | None = None
    plan: PoolPlan | None = None
    plan_before: PoolPlan | None = None
    usd_per_hour: float | None = None  # between the last two ticks; None: unknown
    problem: str = ""  # why the newest version cannot be followed; the last valid one is
    standby_problem: str = ""  # why fewer standby nodes are held than claimed
    foreign: str = ""  # what somebody else does to what holds them

    @property
    def standby(self) -> tuple[StandbyUnit, ...]:
        """The standby nodes that are held or asked for; none where that is unknown."""
        return () if self.inputs is None or self.inputs.standby is None else self.inputs.standby

    def units(self, offering: str, *phases: StandbyPhase) -> int:
        """Standby nodes of an offering in one of these phases."""
        return sum([unit.offering == offering and unit.phase in phases for unit in self.standby])

    @property
    def ready(self) -> int:
        """Standby nodes that a replica can start on."""
        return sum([unit.phase in READY for unit in self.standby])

    def ask(self, workload: str) -> Ask | None:
        """What a member asked for last."""
        asks = () if self.inputs is None else self.inputs.asks
        return next((ask for ask in asks if ask.workload == workload), None)

    def refused_gpus(self, granted: Granted) -> int:
        """GPUs that a member asked for and was refused."""
        ask, refusal = self.ask(granted.workload), granted.refusal
        if ask is None or refusal is None:
            return 0
        return (refusal.refused_replicas + refusal.refused_prepared) * ask.gpus_per_replica

    @property
    def refused(self) -> tuple[Granted, ...]:
        """The members that got less than they asked for, those that lack most first."""
        grants = () if self.plan is None else self.plan.grants
        found = [each for each in grants if self.refused_gpus(each)]
        return tuple(sorted(found, key=lambda each: (-self.refused_gpus(each), each.workload)))

    @property
    def refusals(self) -> str:
        """Who was refused what, in a sentence; empty if nobody was."""
        found = [f"{each.workload}: {refusal_sentence(self.pool.name, each)}" for each in self.refused]
        more = [f"and {len(found) - NAMED} more"] if len(found) > NAMED else []
        return "; ".join([*found[:NAMED], *more])

    @property
    def resting(self) -> tuple[str, ...]:
        """The offerings that are not asked since they lately gave no node."""
        at = {each.name: each.resting_until_seconds for each in self.state.offerings}
        names = [each.name for each in self.pool.offerings]
        return tuple([name for name in names if (until := at.get(name)) is not None and until > self.now_seconds])

    @property
    def sentence(self) -> str:
        """The last decision and its reasons, and why fewer standby nodes are held than it says."""
        if self.plan is None:
            return "No decision has been made yet."
        said = explain_pool(self.pool.pool, self.plan)
        problem = self.standby_problem.removesuffix(".")
        return " ".join([*said, *([f"{problem[:1].upper()}{problem[1:]}."] if problem else [])])
