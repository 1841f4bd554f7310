"""The throughput loop of NVIDIA Dynamo's planner, tuned by its objective for the time between tokens.

After ai-dynamo 1.6.1 (`planner/core/throughput_scaling`, `planner/core/perf_model/engine_query`,
`planner/core/load/predictors`): every 180 s it forecasts the requests of the next interval and their tokens, divides by
what one engine sustains within its latency objectives, and writes the replicas by itself. Here it has the best of what it
can be given: the engine's true speeds, in place of a fit to samples, and arrivals as the router counts them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from crds.workload import Workload
from replay.contenders.contender import Entry, Knob, Periodic, Setup
from replay.contenders.hpa_on_metric import scheduled
from replay.contenders.view import View
from replay.sim.kernel import Engine

INTERVAL_SECONDS = 180.0
MOST_CHANGE = 8  # replicas an interval
MAX_BATCHED_TOKENS = 8192  # vLLM's prefill chunk and decodes of one step
CANDIDATES = 128  # batch sizes that are looked at
STEPS = 8  # of the knob


@dataclass
class LocalLinearTrend:
    """A Kalman filter of a level and its trend, the planner's `kalman`. Below five values it answers with the last."""

    level: float = 0.0
    trend: float = 0.0
    _count: int = 0
    _last: float = 0.0
    _level_variance: float = 1000.0
    _covariance: float = 0.0
    _trend_variance: float = 1000.0

    def add(self, value: float) -> None:
        """One more interval. Zeros before the first traffic are left out."""
        if value == 0.0 and self._count == 0:
            return
        self._count += 1
        self._last = value
        if self._count == 1:
            self.level = value
            return
        self._step()
        spread = self._level_variance + 10.0
        level_gain, trend_gain = self._level_variance / spread, self._covariance / spread
        surprise = value - self.level
        self.level += level_gain * surprise
        self.trend += trend_gain * surprise
        self._trend_variance -= trend_gain * self._covariance
        self._covariance *= 1.0 - level_gain
        self._level_variance *= 1.0 - level_gain

    def _step(self) -> None:
        self.level += self.trend
        self._level_variance += 2.0 * self._covariance + self._trend_variance + 1.0
        self._covariance += self._trend_variance
        self._trend_variance += 0.1

    def next(self) -> float:
        """The next interval's."""
        return self._last if self._count < 5 else max(0.0, self.level + self.trend)


def requests_per_second(
    engine: Engine, prompt_tokens: float, output_tokens: float, first_token_seconds: float, token_seconds: float
) -> float | None:
    """What one engine sustains at the best batch size; one within both objectives goes before all that are not.

    None where no batch fits.
    """
    context = max(1, int(prompt_tokens + output_tokens // 2))
    most = min(engine.max_num_seqs, engine.kv_tokens // context, MAX_BATCHED_TOKENS - 1)
    best: tuple[bool, float] | None = None
    for batch in batches(most):
        prefill = math.ceil(batch * prompt_tokens / max(1.0, output_tokens))  # that keeps the batch at its size
        if prefill > MAX_BATCHED_TOKENS - batch:
            continue
        between_tokens = step_seconds(engine, prefill, batch)
        first_token = chunked_seconds(engine, prefill + math.ceil(prompt_tokens), batch)
        within = first_token <= first_token_seconds and between_tokens <= token_seconds
        found = (within, batch / (max(1.0, output_tokens) * between_tokens))
        best = found if best is None else max(best, found)
    return None if best is None else best[1]


def batches(most: int) -> Sequence[int]:
    """Batch sizes up to the largest, evenly spread where they are too many."""
    if most <= CANDIDATES:
        return range(1, most + 1)
    return [1 + step * (most - 1) // (CANDIDATES - 1) for step in range(CANDIDATES)]


def step_seconds(engine: Engine, prefill_tokens: int, batch: int) -> float:
    """One step of a batch that decodes, with a chunk of prefill beside it."""
    decode = engine.step_base_seconds + engine.step_sequence_seconds * batch
    return prefill_tokens / engine.prefill_tokens_per_second + decode


def chunked_seconds(engine: Engine, tokens: int, batch: int) -> float:
    """The steps that prefill so many tokens."""
    full, rest = divmod(tokens, MAX_BATCHED_TOKENS)
    seconds = full * step_seconds(engine, MAX_BATCHED_TOKENS, batch)
    return seconds + (step_seconds(engine, rest, batch) if rest else 0.0)


@dataclass
class Dynamo:
    """The planner for aggregated engines. Nothing but traffic moves it: a queue is not seen until its requests arrive anew."""

    workload: Workload
    engine: Engine
    token_seconds: float  # the objective for the time between tokens
    _requests: LocalLinearTrend = field(default_factory=LocalLinearTrend)
    _prompt: LocalLinearTrend = field(default_factory=LocalLinearTrend)
    _output: LocalLinearTrend = field(default_factory=LocalLinearTrend)

    def attach(self, view: View) -> Sequence[Periodic]:
        """Take control of a cluster."""
        self._view = view
        return (Periodic(view.now_seconds + INTERVAL_SECONDS, INTERVAL_SECONDS, self._plan),)

    def _plan(self, now_seconds: float) -> None:
        seen = self._view.passed(INTERVAL_SECONDS)
        self._requests.add(float(seen.arrived))
        if seen.arrived:
            self._prompt.add(seen.prompt_tokens / seen.arrived)
        if seen.finished:
            self._output.add(seen.output_tokens / seen.finished)
        self._view.scale(max(self._wanted(), scheduled(self.workload, now_seconds)))

    def _wanted(self) -> int:
        now, ready = self._view.spec_replicas, len(self._view.readings())
        policy = self.workload.policy
        prompt, output = self._prompt.next(), self._output.next()
        first_token_seconds = policy.queue_wait_seconds + prompt / self.engine.prefill_tokens_per_second
        sustained = requests_per_second(self.engine, prompt, output, first_token_seconds, self.token_seconds)
        if not sustained:
            return now
        per_second = self._requests.next() / INTERVAL_SECONDS
        wanted = max(math.ceil(per_second / sustained), policy.min_replicas)
        wanted = min(max(wanted, now - MOST_CHANGE, policy.min_replicas), now + MOST_CHANGE)
        if ready < now and wanted > now:  # nothing is added while replicas start
            return now
        return min(wanted, policy.max_replicas)


def objectives(engine: Engine) -> tuple[float, ...]:
    """Objectives to begin with, in ms: 1.25 times a step's base to twice a full batch's step, at equal ratios beyond the base."""
    base = engine.step_base_seconds
    least, most = 0.25 * base, 2.0 * step_seconds(engine, 0, engine.max_num_seqs) - base
    return tuple(round(1000.0 * (base + least * (most / least) ** (step / (STEPS - 1))), 1) for step in range(STEPS))


def between(low: float, high: float) -> float:
    """The objective at equal ratios from two, in tenths of a ms."""
    return round(math.sqrt(low * high), 1)


def _grid(setup: Setup) -> tuple[float, ...]:
    return objectives(setup.engine)


def _make(setup: Setup, milliseconds: float) -> Dynamo:
    return Dynamo(setup.workload, setup.engine, milliseconds / 1000.0)


ENTRY = Entry("dynamo", "Dynamo planner", "yellow", knob=Knob("time between tokens", "ms", _grid, between, _make))
