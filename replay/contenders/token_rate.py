"""An HPA on the rate of tokens, tuned by its target: the strongest peer that only reacts."""

from dataclasses import dataclass, field

from replay.contenders.contender import Entry, Knob, Setup
from replay.contenders.hpa_on_metric import UP_AT_ONCE, HpaOnMetric
from replay.contenders.rates import Rates
from replay.contenders.view import View
from replay.sim.kernel import Engine

WINDOW_SECONDS = 120.0  # of rate(); 60 s cost 1 to 6 % more at equal attainment on four long traces
TARGETS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)  # at 1 it never scales up: the counters show no more than is served


@dataclass
class TokenRate:
    """`sum(rate(vllm:prompt_tokens_total[2m])) / P + sum(rate(vllm:generation_tokens_total[2m])) / G`, in replicas.

    P and G are what one replica prefills, and decodes with a full batch, in tokens per second. It sees the work that is
    done, not the work that is asked for: a fleet that is saturated reads about its own size, whatever waits.
    """

    engine: Engine
    _rates: Rates = field(
        default_factory=lambda: Rates(WINDOW_SECONDS, "prompt_tokens_total", "generation_tokens_total")
    )

    def __call__(self, view: View) -> float | None:
        """The load now."""
        per_second = self._rates.scrape(view.readings())
        if per_second is None:
            return None
        prompt, output = per_second.tolist()
        engine = self.engine
        decode_seconds_per_token = engine.step_base_seconds / engine.max_num_seqs + engine.step_sequence_seconds
        return float(prompt / engine.prefill_tokens_per_second + output * decode_seconds_per_token)


def between(low: float, high: float) -> float:
    """The target halfway between two, in thousandths."""
    return round((low + high) / 2, 3)


def _make(setup: Setup, target: float) -> HpaOnMetric:
    return HpaOnMetric(setup.workload, TokenRate(setup.engine), target, UP_AT_ONCE)


ENTRY = Entry(
    "token_rate",
    "HPA on token rate",
    "cyan",
    knob=Knob("target", "of a replica's capacity", lambda _setup: TARGETS, between, _make),
)
