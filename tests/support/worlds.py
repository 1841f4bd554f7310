"""A small vocabulary for tests of the core: a policy, a fleet of pods that count, and hypothesis strategies for them."""

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from policies.model import Echelon, Engine, Fan, Inputs, Mode, Plan, PodSample, Policy, Reason, Rule, Signal, Window
from policies.supply import ColdStart, Role, Rung, Stage, Supply, Unit

START = 1_760_000_000.0 // 900 * 900  # on the grid
TICK = 15.0

ENGINE = Engine(2500.0, 0.0025, 0.85, 32.0)
COLD_START = ColdStart(node=Stage(75, 180), image=Stage(230, 330), weights=Stage(60, 150), warmup=Stage(149, 230))


def a_policy(**changes: object) -> Policy:
    policy = Policy(
        name="chat/qwen",
        mode=Mode.ACTIVE,
        signal=Signal.WORK,
        min_replicas=1,
        max_replicas=20,
        queue_wait_seconds=5.0,
        attainment=0.99,
        engine=ENGINE,
        hold_seconds=None,
        scale_up_replicas_per_minute=None,
        scale_down_percent_per_minute=25.0,
        max_prepared_nodes=2,
        gpus_per_replica=1,
        price_per_gpu_hour=0.8,
    )
    return replace(policy, **changes)  # type: ignore[arg-type]


def a_supply(
    ready: int | tuple[str, ...],
    *,
    starting: int = 0,
    unplaced: int = 0,
    prepared: int = 0,
    preparing: int = 0,
    spec_replicas: int | None = None,
) -> Supply:
    """So many units on each rung; `ready` are pods that serve, by number or by name."""
    names = tuple(f"qwen-{index}" for index in range(ready)) if isinstance(ready, int) else ready
    units = [Unit(name, Role.REPLICA, Rung.SERVING.passed) for name in names]
    for role, rung, count in (
        (Role.REPLICA, Rung.NODE_READY, starting),
        (Role.REPLICA, Rung.REQUESTED, unplaced),
        (Role.STANDBY, Rung.IMAGE_READY, prepared),
        (Role.STANDBY, Rung.REQUESTED, preparing),
    ):
        units += [Unit(f"{role}-{rung:d}-{index}", role, rung.passed) for index in range(count)]
    return Supply(len(names) if spec_replicas is None else spec_replicas, tuple(units))


def a_plan(
    replicas: int,
    *reasons: Reason,
    prepared: int = 0,
    prepared_reasons: tuple[Reason, ...] = (),
    at_seconds: float = START,
) -> Plan:
    """A plan of both echelons; without reasons the policy's minimum is one."""
    serving = Echelon(Rung.SERVING, replicas, reasons or (Reason(Rule.MINIMUM, 1.0),))
    return Plan(at_seconds, (serving, Echelon(Rung.IMAGE_READY, prepared, prepared_reasons)))


def a_sample(pod: str, at: float, arrived: float, waiting: float = 0.0, running: float = 4.0) -> PodSample:
    """A pod that has served for long: every request has 1,000 prompt and 200 generated tokens, 0.9 s of work."""
    finished = max(0.0, arrived - waiting - running)
    return PodSample(
        pod=pod,
        at_seconds=at,
        started_seconds=START - 86_400.0,
        running=running,
        waiting=waiting,
        finished_total=finished,
        rejected_total=0.0,
        prompt_tokens_total=finished * 1000.0,
        cached_prompt_tokens_total=0.0,
        generation_tokens_total=finished * 200.0,
        request_prompt_tokens_sum=finished * 1000.0,
        request_prompt_tokens_count=finished,
        request_generation_tokens_sum=finished * 200.0,
        request_generation_tokens_count=finished,
    )


@dataclass
class Fleet:
    """`pods` pods that share the arrivals evenly. What it does not do: serve, start, or die."""

    pods: int = 4
    now: float = START
    arrived: float = 1000.0  # by each pod

    def tick(self, per_second: float, waiting: float = 0.0, **changes: object) -> Inputs:
        """The inputs one tick later, after `per_second` requests a second to the whole fleet."""
        self.now += TICK
        self.arrived += per_second * TICK / self.pods
        running = 4.0 if per_second else 0.0  # a busy engine whose counters stand still would be stuck
        samples = tuple(a_sample(f"qwen-{i}", self.now - 1.0, self.arrived, waiting, running) for i in range(self.pods))
        inputs = Inputs(self.now, on_grid=True, samples=samples, supply=a_supply(self.pods), cold_start=COLD_START)
        return replace(inputs, **changes)  # type: ignore[arg-type]


def a_fan(now: float, values: float, *, proven: bool = True) -> Fan:
    return Fan(now, (60.0, 600.0), (0.5, 0.99), ((values / 2, values), (values / 2, values)), "profile", proven)


rates = st.floats(min_value=0.0, max_value=40.0, allow_nan=False)
waits = st.floats(min_value=0.0, max_value=60.0, allow_nan=False)


# (requests/s, waiting per pod, is the supply known, are samples missing, is there a forecast, scheduled minimum)
Moment = tuple[float, float, bool, bool, bool, int]


@st.composite
def moments(draw: st.DrawFn) -> Moment:
    return (
        draw(rates),
        draw(waits),
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.integers(0, 30)),
    )


def an_input(fleet: Fleet, moment: Moment) -> Inputs:
    rate, waiting, known, missing, forecast, scheduled = moment
    inputs = fleet.tick(rate, waiting)
    if missing:
        inputs = replace(inputs, samples=inputs.samples[1:])
    if not known:
        inputs = replace(inputs, supply=None)
    if forecast:
        inputs = replace(inputs, fan=a_fan(fleet.now, rate))
    if scheduled:
        inputs = replace(inputs, windows=(Window("fair", fleet.now + 60, fleet.now + 600, scheduled),))
    return inputs
