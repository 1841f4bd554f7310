"""Makes one policy's decisions: the core with its state and a forecaster. The live loop and the replay both use it."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Generic, Protocol, TypeVar

from policies import backfill, engine, restart
from policies.bound import Sums, sums
from policies.demand import estimated, observe
from policies.engine import Proposal
from policies.model import Fan, Grant, Inputs, Policy, State, StepResult
from policies.supply import ColdStart, Role


class Forecaster(Protocol):
    """What the core needs from a forecaster. Times are Unix seconds, demand is in replicas."""

    def backfill(self, points: Iterable[tuple[float, float]]) -> None:
        """Add history as (seconds, demand) where nothing has been observed."""

    def observe(self, at_seconds: float, demand: float | None) -> None:
        """Add the demand of the grid step that ends at `at_seconds`; None is a gap."""

    def fan(self, now_seconds: float) -> Fan | None:
        """The newest quantile forecast, or None."""


F = TypeVar("F", bound=Forecaster)


@dataclass
class Decider(Generic[F]):
    """A policy with its state and its forecaster."""

    policy: Policy
    forecaster: F
    state: State = field(default_factory=State)

    def remember(self, history: Iterable[backfill.Past], now_seconds: float) -> int:
        """Start the filters and the forecaster from history up to now. Returns the number of points used."""
        past = [each for each in history if each.at_seconds <= now_seconds]
        self.state, points = backfill.lived(self.policy, restart.known(self.state, now_seconds), past)
        self.forecaster.backfill(points)
        return len(points)

    def catch_up(self, before: State, after: State, points: Iterable[tuple[float, float]], now_seconds: float) -> None:
        """Take a history that comes after the first decisions: it leads from the state `before` them to `after`."""
        self.state = backfill.caught_up(self.state, before, after, now_seconds)
        self.forecaster.backfill(points)

    def restart(self, cold_start: ColdStart, now_seconds: float) -> None:
        """Treat what runs as decided; nothing is scaled down until one hold has passed."""
        self.state = engine.restarted(self.policy, cold_start, self.state, now_seconds)

    def calm(self, sums: Sums, ready: int | None, now_seconds: float) -> bool:
        """Whether between two ticks nothing can be urgent, by sums over the pods: then `propose` has nothing to propose."""
        return engine.calm(self.policy, self.state, sums, ready, now_seconds)

    def _calm(self, inputs: Inputs) -> bool:
        samples, supply = inputs.samples, inputs.supply
        if supply is None:
            return self.calm(sums(self.state.filters, samples), None, inputs.now_seconds)
        replicas = {unit.name for unit in supply.units if unit.role is Role.REPLICA}
        of_target = [sample for sample in samples if sample.pod in replicas]
        return self.calm(sums(self.state.filters, of_target), len(supply.ready), inputs.now_seconds)

    def propose(self, inputs: Inputs) -> Proposal | None:
        """Observe, forecast, propose. None between two ticks if nothing is urgent. After a pause, begins anew."""
        if inputs.on_grid and restart.was_paused(self.state, inputs.now_seconds):
            self.restart(inputs.cold_start, inputs.now_seconds)
        if not inputs.on_grid and self._calm(inputs):
            return None
        seen = observe(self.policy, self.state, inputs)
        if inputs.on_grid:
            known = None if seen.filters.level is None else estimated(seen.demand)
            self.forecaster.observe(inputs.now_seconds, known)
        elif not engine.urgent(self.policy, self.state, seen, inputs):
            return None
        inputs = replace(inputs, fan=self.forecaster.fan(inputs.now_seconds))
        return engine.propose(self.policy, self.state, seen, inputs)

    def settle(self, proposal: Proposal, grant: Grant | None) -> StepResult:
        """Commit what was granted of the latest proposal."""
        result = engine.settle(proposal, grant)
        self.state = result.state
        return result

    def decide(self, inputs: Inputs) -> tuple[Inputs, StepResult] | None:
        """Propose and settle without a pool. None between two ticks if nothing is urgent."""
        proposal = self.propose(inputs)
        return None if proposal is None else (proposal.inputs, self.settle(proposal, proposal.asked))
