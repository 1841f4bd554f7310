"""What is asked of a workload, and what serves it: all drawn from one integer."""

import math
import random
from dataclasses import dataclass, replace
from functools import cached_property

from crds.workload import Workload
from policies.capacity import work_seconds
from policies.model import Engine, Signal
from policies.supply import ColdStart, Stage
from tests.autoscaler.kube.workloads import WORKLOAD

TICK_SECONDS = 15.0
STEP_SECONDS = 5.0
STEPS = round(TICK_SECONDS / STEP_SECONDS)  # of the pods, in a tick
START_SECONDS = 1_760_000_000.0 // 900 * 900  # on the grid
WARM_TICKS = 100  # 25 min without a fault: the token sums are two and a half time constants old
MOST_TICKS = WARM_TICKS + 60 + 150  # a fault of at most 15 min, and 37 min after it

SHAPES = ("constant", "swinging", "bursty")


@dataclass(frozen=True)
class Load:
    """A workload's traffic and its engines. `demand` is the mean, in replicas."""

    seed: int
    shape: str
    demand: float
    prompt_tokens: float
    generation_tokens: float
    cached_share: float
    engine: Engine  # as it is; the policy's profile is wrong by `profile_error`
    profile_error: float
    engines: int  # data-parallel engines in a pod
    names_start: bool  # whether the page has process_start_time_seconds
    queue_limit: float  # waiting requests of a pod beyond which it rejects
    follows: bool  # whether pods follow the decision; else those of the start stay
    start_seconds: float  # from a decision until a new pod serves
    signal: Signal
    hold_seconds: float | None

    @cached_property
    def work_seconds(self) -> float:
        """Replica-seconds of the mean request."""
        return work_seconds(self.engine, self.prompt_tokens * (1.0 - self.cached_share), self.generation_tokens)

    @property
    def latency_seconds(self) -> float:
        """Of a request that does not wait. Below saturation fewer run than the share of the work would let one think."""
        few = 1.0 if self.signal is Signal.CONCURRENCY else 0.4
        return few * self.engine.max_concurrency * self.work_seconds

    @cached_property
    def workload(self) -> Workload:
        """The policy and its target."""
        wrong = replace(
            self.engine,
            prefill_tokens_per_second=self.engine.prefill_tokens_per_second * self.profile_error,
            decode_seconds_per_token=self.engine.decode_seconds_per_token / self.profile_error,
        )
        policy = replace(
            WORKLOAD.policy,
            engine=wrong,
            signal=self.signal,
            max_replicas=20,
            max_prepared_nodes=2 * (self.seed % 2),
            hold_seconds=self.hold_seconds,
        )
        cold = ColdStart(Stage(30, 60), Stage(30, 60), Stage(20, 40), Stage(self.start_seconds, 2 * self.start_seconds))
        return replace(WORKLOAD, policy=policy, cold_start=cold)

    @cached_property
    def arrivals(self) -> tuple[int, ...]:
        """Requests that arrive in each step, evenly over the pods. Noise is that of independent clients."""
        rng = random.Random(self.seed)
        mean = self.demand / self.work_seconds * STEP_SECONDS
        phase, period = rng.random(), rng.choice((1200.0, 2400.0, 3600.0))
        bursts = [
            (rng.uniform(0, MOST_TICKS * TICK_SECONDS), rng.uniform(60, 300), rng.uniform(1, 2)) for _ in range(4)
        ]
        found = []
        for step in range(MOST_TICKS * STEPS):
            at, factor = step * STEP_SECONDS, 1.0
            if self.shape == "swinging":
                factor = 1.0 + 0.7 * math.sin(2 * math.pi * (at / period + phase))
            if self.shape == "bursty":
                factor += sum(more for start, length, more in bursts if start <= at < start + length)
            expected = mean * factor
            found.append(max(0, round(expected + rng.gauss(0.0, 1.0) * math.sqrt(expected))))
        return tuple(found)


def drawn(seed: int) -> Load:
    """The load of a seed."""
    rng = random.Random(f"load {seed}")
    prompt, generation = math.exp(rng.uniform(5.3, 7.6)), math.exp(rng.uniform(4.0, 6.0))
    cached = rng.choice((0.0, 0.0, 0.5, 0.8))
    concurrency = rng.choice((8.0, 16.0, 32.0))
    return Load(
        seed=seed,
        shape=rng.choice(SHAPES),
        demand=math.exp(rng.uniform(0.4, 1.5)),
        prompt_tokens=prompt,
        generation_tokens=generation,
        cached_share=cached,
        engine=Engine(2500.0, 0.0025, 0.85, concurrency),
        profile_error=rng.choice((1.0, 1.0, 1.0, math.exp(rng.uniform(-0.5, 0.5)))),
        engines=rng.choice((1, 1, 2)),
        names_start=rng.random() < 0.6,
        queue_limit=rng.choice((math.inf, math.inf, 3 * concurrency)),
        follows=rng.random() < 0.6,
        start_seconds=rng.choice((45.0, 90.0, 180.0)),
        signal=rng.choice((Signal.WORK, Signal.WORK, Signal.WORK, Signal.CONCURRENCY)),
        hold_seconds=rng.choice((300.0, 300.0, 300.0, 60.0, None)),
    )
