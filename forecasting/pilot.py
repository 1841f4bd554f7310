"""One service's decisions: the core, with a forecaster beside it. The live loop and the replay both drive this."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from forecasting.forecaster import Forecaster
from policies import engine
from policies.capacity import work_seconds
from policies.demand import DRAIN_SECONDS, observe
from policies.level import backfill
from policies.model import Inputs, Policy, State, StepResult, Tokens


@dataclass(frozen=True, slots=True)
class Past:
    """The whole service at one moment of its history. None is unknown; tokens are per second."""

    at_seconds: float
    running: float | None
    waiting: float | None
    requests_per_second: float | None
    prompt_tokens_per_second: float | None
    generation_tokens_per_second: float | None


@dataclass
class Pilot:
    """A policy, what it remembers, and its forecaster."""

    policy: Policy
    state: State = field(default_factory=State)
    forecaster: Forecaster = field(default_factory=Forecaster)

    def remember(self, history: Iterable[Past]) -> int:
        """Live through history, so that neither the filters nor the forecaster start blind. Gives the points used."""
        history = list(history)
        known = [
            (past.at_seconds, demand) for past in history if (demand := past_demand(self.policy, past)) is not None
        ]
        filters = backfill(self.state.filters, known)
        if filters.tokens.requests < 1.0:
            filters = replace(filters, tokens=past_tokens(history))
        self.state = replace(self.state, filters=filters)
        self.forecaster.backfill(known)
        return len(known)

    def decide(self, inputs: Inputs) -> tuple[Inputs, StepResult]:
        """Observe, forecast, step. Gives the inputs with the forecast that was read, and the result."""
        if inputs.on_grid:
            seen = observe(self.policy, self.state, inputs)
            whole = seen.demand.coverage >= 1.0 and seen.filters.level is not None
            self.forecaster.observe(inputs.now_seconds, seen.demand.replicas if whole else None)
        inputs = replace(inputs, fan=self.forecaster.fan(inputs.now_seconds))
        result = engine.step(self.policy, self.state, inputs)
        self.state = result.state
        return inputs, result

    def urgent(self, inputs: Inputs) -> bool:
        """Whether what is seen between two ticks deserves a decision now."""
        return engine.urgent(self.policy, self.state, inputs)


def past_tokens(history: list[Past]) -> Tokens:
    """The tokens of recent requests, as if they had been counted here: the last ten points that know them, a minute each."""
    rates = (
        (past.requests_per_second, past.prompt_tokens_per_second, past.generation_tokens_per_second) for past in history
    )
    whole = [(r, p, g) for r, p, g in rates if r is not None and p is not None and g is not None][-10:]
    requests, prompt, generation = (60.0 * sum(rate[column] for rate in whole) for column in range(3))
    return Tokens(requests=requests, prompt_tokens=prompt, generation_tokens=generation)


def past_demand(policy: Policy, past: Past) -> float | None:
    """Demand in replicas at one moment of history, by the policy's profile; what waited is added on top.

    Token-weighted work where the rates are known, else running + waiting over a replica's concurrency, else None.
    """
    rates = (past.requests_per_second, past.prompt_tokens_per_second, past.generation_tokens_per_second)
    waiting = past.waiting or 0.0
    requests, prompt, generation = (0.0 if rate is None else rate for rate in rates)
    if None not in rates and requests > 0:
        # Work is linear in tokens but for its floor, so that rates may stand for the tokens of one request.
        work = work_seconds(policy.engine, prompt / requests, generation / requests)
        return requests * work + waiting * work / DRAIN_SECONDS
    if past.running is None:
        return None if None in rates else 0.0
    return (past.running + waiting) / policy.engine.max_concurrency
