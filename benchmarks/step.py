"""What a decision takes, for 1, 100 and 1,000 policies of 8 pods each, and for 10 of 128: `python -m benchmarks.step`.

Each policy lives through 90 min of swinging traffic with a queue now and then, so that its filters are full; then every
policy is decided in turn, tick after tick, as the loop does it. Making the samples is not timed.
"""

import math
import statistics
import time
from dataclasses import replace
from random import Random

from benchmarks import goals
from crds.profiles import PROFILES
from policies.engine import GRID_SECONDS, step
from policies.model import Fan, Inputs, Mode, PodSample, Policy, Signal, State
from policies.supply import Role, StageName, Supply, Unit

FULL_TICKS = 360  # 90 min
ROUNDS = 5
START = 1_760_000_400.0
PROFILE = PROFILES["8b-l4"]


def main() -> None:
    figures = {
        f"{size} pods, {count:,} {'policy' if count == 1 else 'policies'}, ms": statistics.median(measure(count, size))
        for count, size in ((1, 8), (100, 8), (1000, 8), (10, 128))
    }
    goals.show("step", figures, f"One decision, CPU time, median of {ROUNDS} rounds")


def measure(count: int, size: int) -> list[float]:
    """CPU milliseconds a decision, of each round over all policies of `size` pods."""
    chance, pods = Random(1), Pods(size)
    lived = State()
    for _ in range(FULL_TICKS):
        lived = step(a_policy(0), lived, pods.tick(chance)).state
    policies = [a_policy(index) for index in range(count)]
    states = [lived] * count
    took = []
    for _ in range(ROUNDS):
        moment = pods.tick(chance)
        moments = [replace(moment) for _ in policies]
        began = time.process_time()
        states = [
            step(policy, state, inputs).state for policy, state, inputs in zip(policies, states, moments, strict=True)
        ]
        took.append((time.process_time() - began) / count * 1000.0)
    return took


class Pods:
    """Pods under swinging traffic."""

    def __init__(self, size: int) -> None:
        self.now = START
        self._arrived = [5000.0 * (index + 1) for index in range(size)]

    def tick(self, chance: Random) -> Inputs:
        """The inputs one tick later."""
        self.now += GRID_SECONDS
        load = 0.8 + 0.4 * math.sin(self.now / 600.0)  # requests per second and pod
        samples = []
        for index in range(len(self._arrived)):
            self._arrived[index] += max(0.0, chance.gauss(load, 0.2)) * GRID_SECONDS
            waiting = float(chance.choice((0, 0, 0, 12)))
            samples.append(a_sample(index, self.now - chance.uniform(0.1, 2.0), self._arrived[index], waiting))
        names = tuple(sample.pod for sample in samples)
        stages = tuple(StageName)
        units = [Unit(name, Role.REPLICA, stages, self.now - 600.0, f"node-{name}") for name in names]
        units += [Unit("next", Role.REPLICA, stages[:1]), Unit("balloon", Role.STANDBY, stages[:2])]
        return Inputs(
            self.now,
            True,
            tuple(samples),
            Supply(len(names), tuple(units)),
            PROFILE.cold_start,
            a_fan(self.now, 0.75 * len(names) * load),
        )


def a_policy(index: int) -> Policy:
    return Policy(
        name=f"bench/p{index}",
        mode=Mode.ACTIVE,
        signal=Signal.WORK,
        min_replicas=1,
        max_replicas=64,
        queue_wait_seconds=5.0,
        attainment=0.99,
        engine=PROFILE.engine,
        hold_seconds=None,
        scale_up_replicas_per_minute=None,
        scale_down_percent_per_minute=25.0,
        max_prepared_nodes=2,
        gpus_per_replica=1,
        price_per_gpu_hour=0.8,
    )


def a_sample(index: int, at_seconds: float, arrived: float, waiting: float) -> PodSample:
    running = 18.0
    finished = arrived - waiting - running
    return PodSample(
        pod=f"qwen-7d9c6b5f4-{index:05d}",
        at_seconds=at_seconds,
        started_seconds=START - 86_400.0,
        running=running,
        waiting=waiting,
        finished_total=finished,
        rejected_total=0.0,
        prompt_tokens_total=812.0 * finished,
        cached_prompt_tokens_total=104.0 * finished,
        generation_tokens_total=231.0 * finished,
        request_prompt_tokens_sum=812.0 * finished,
        request_prompt_tokens_count=finished,
        request_generation_tokens_sum=231.0 * finished,
        request_generation_tokens_count=finished,
        first_tokens_total=finished + running,
        engines=1.0,
    )


def a_fan(now_seconds: float, demand: float) -> Fan:
    horizons = (60.0, 120.0, 300.0, 600.0, 900.0, 1200.0, 1800.0)
    values = tuple(tuple(demand + 0.002 * h + 2.0 * p for p in (0.5, 0.8, 0.9, 0.95, 0.99)) for h in horizons)
    return Fan(now_seconds, horizons, (0.5, 0.8, 0.9, 0.95, 0.99), values, "profile", proven=True)


if __name__ == "__main__":
    main()
