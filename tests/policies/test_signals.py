"""Readings that cannot be, that lack something, or that stand still: none of them lowers a replica, and each is named."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import pytest

from policies.capacity import work_ratio
from policies.engine import step
from policies.errors import NotFiniteError
from policies.explain import VERDICTS, explain, phrase
from policies.missing import lacking
from policies.model import Demand, Inputs, Plan, PodSample, Reading, Rule, Signal, State, StepResult, Verdict
from policies.physics import possible_growth
from policies.supply import Role, StageName, Supply, Unit
from tests.support.worlds import COLD_START, START, TICK, a_policy, a_supply

PODS = 10
WARM = 240  # ticks before the fault: an hour, for volatility to settle
LATER = 100  # ticks from it on: 25 min
POLICY = a_policy(max_replicas=20, hold_seconds=300.0, max_prepared_nodes=0)
NAMES = tuple(f"qwen-{index}" for index in range(PODS))

Change = Callable[[PodSample], PodSample | None]


def page(index: int, tick: int) -> PodSample:
    """Ten pods with 0.9 requests/s each, of 1,000 prompt and 200 generated tokens: 8.1 s of work a second in all."""
    arrived = 5000.0 + 100.0 * index + 0.9 * TICK * tick
    running = 6.0
    finished, begun = math.floor(arrived - running), math.floor(arrived) - 1.0
    return PodSample(
        pod=NAMES[index],
        at_seconds=START + tick * TICK - 1.0,
        started_seconds=None,
        running=running,
        waiting=0.0,
        finished_total=finished,
        rejected_total=1e6,
        prompt_tokens_total=begun * 1000.0,
        cached_prompt_tokens_total=begun * 100.0,
        generation_tokens_total=finished * 200.0 + 600.0 + 7.0 * (tick % 5),
        request_prompt_tokens_sum=finished * 1000.0,
        request_prompt_tokens_count=finished,
        request_generation_tokens_sum=finished * 200.0,
        request_generation_tokens_count=finished,
        first_tokens_total=begun,
        engines=2.0,
    )


@dataclass
class Play:
    """The load after an hour of it; `fault` changes the pages of some pods at some ticks, `supply` what is known of the pods."""

    fault: Change = lambda sample: sample
    pods: range = range(3, 4)
    ticks: range = range(WARM, WARM + 1)
    supply: Callable[[Supply], Supply | None] = lambda supply: supply
    signal: Signal = Signal.WORK
    results: list[StepResult] = field(default_factory=list)

    def run(self, since: int = WARM, until: int = WARM + LATER) -> "Play":
        policy = replace(POLICY, signal=self.signal)
        state = warm(self.signal) if since else State()
        for tick in range(since, until):
            samples = [page(index, tick) for index in range(PODS)]
            supply: Supply | None = a_supply(NAMES, spec_replicas=12)
            seen: list[PodSample | None] = [*samples]
            if tick in self.ticks and supply is not None:
                supply = self.supply(supply)
                seen = [self.fault(sample) if index in self.pods else sample for index, sample in enumerate(samples)]
            known = tuple(sample for sample in seen if sample is not None)
            self.results.append(step(policy, state, Inputs(START + tick * TICK, True, known, supply, COLD_START)))
            state = self.results[-1].state
        return self

    @property
    def state(self) -> State:
        return self.results[-1].state

    @property
    def desired(self) -> list[int]:
        """From the fault on."""
        return [plan.desired_replicas for result in self.results if (plan := result.plan) is not None]

    def demand(self, later: int) -> Demand:
        """So many ticks after the fault began."""
        return self.results[later].demand

    def verdicts(self, later: int) -> dict[str, Verdict]:
        return {reading.pod: reading.verdict for reading in self.demand(later).readings}

    def plan(self, later: int) -> Plan:
        plan = self.results[later].plan
        assert plan is not None
        return plan


@cache
def warm(signal: Signal) -> State:
    return Play(signal=signal, ticks=range(0)).run(0, WARM).state


CLEAN = Play().run()
EVER = range(WARM, WARM + LATER)


def plus(name: str, more: float) -> Change:
    return lambda sample: replace(sample, **{name: getattr(sample, name) + more})


def without(*names: str) -> Change:
    changes: dict[str, Any] = dict.fromkeys(names)
    return lambda sample: replace(sample, **changes)


HISTOGRAMS = (
    "request_prompt_tokens_sum",
    "request_prompt_tokens_count",
    "request_generation_tokens_sum",
    "request_generation_tokens_count",
)
COUNTERS = (*HISTOGRAMS, "finished_total", "prompt_tokens_total", "cached_prompt_tokens_total", "first_tokens_total")
JUMPS = [(name, more) for name in COUNTERS for more in (1e5, 1e6, 1e9, 1e18, 1e300)]


def test_a_clean_play_counts_every_pod() -> None:
    assert CLEAN.desired == sorted(CLEAN.desired, reverse=True), "steady traffic needs less headroom by and by"
    assert CLEAN.desired[0] <= CLEAN.desired[-1] + 1
    assert all(result.demand.coverage == 1.0 for result in CLEAN.results)
    assert set(CLEAN.verdicts(0).values()) == {Verdict.COUNTED}


@pytest.mark.parametrize(("name", "more"), JUMPS)
@pytest.mark.parametrize("ticks", [range(WARM, WARM + 1), EVER], ids=["once", "for good"])
def test_a_counter_that_jumps_changes_no_decision(name: str, more: float, ticks: range) -> None:
    play = Play(plus(name, more), ticks=ticks).run()
    if not (name == "prompt_tokens_total" and more < 1e6):  # so many can be read in a tick: 6,700 tokens/s
        assert play.verdicts(0)["qwen-3"] is Verdict.IMPOSSIBLE
        assert play.demand(0).coverage == 0.9
    assert min(play.desired) >= CLEAN.desired[-1]
    assert max(play.desired) <= CLEAN.desired[-1] + 1
    assert play.state.filters.level == pytest.approx(CLEAN.state.filters.level, rel=0.01)
    assert work_ratio(play.state.capacity) == pytest.approx(work_ratio(CLEAN.state.capacity), rel=0.001)
    assert play.state.capacity.count == CLEAN.state.capacity.count


@pytest.mark.parametrize(
    ("name", "value"), [("running", 1e4), ("running", 1e300), ("waiting", 1e6), ("waiting", 1e300)]
)
def test_a_gauge_that_no_engine_can_show_is_no_load(name: str, value: float) -> None:
    changes: dict[str, Any] = {name: value}
    play = Play(lambda sample: replace(sample, **changes)).run()
    assert play.verdicts(0)["qwen-3"] is Verdict.IMPOSSIBLE
    assert play.desired == CLEAN.desired


LOST: list[tuple[str, Change]] = [
    ("the histograms", without(*HISTOGRAMS)),
    ("one sum", without("request_prompt_tokens_sum")),
    ("one count", without("request_generation_tokens_count")),
    ("the prompt tokens, but not the cached ones", without("prompt_tokens_total")),
    ("the rejections", without("rejected_total")),
    ("one engine", lambda sample: replace(page(3, 0), at_seconds=sample.at_seconds, pod=sample.pod, engines=1.0)),
    ("everything but the gauges", without(*COUNTERS, "rejected_total", "generation_tokens_total")),
]


@pytest.mark.parametrize(("what", "fault"), LOST, ids=[name for name, _ in LOST])
@pytest.mark.parametrize("pods", [range(3, 4), range(PODS)], ids=["one pod", "all"])
def test_what_is_lost_holds(what: str, fault: Change, pods: range) -> None:
    play = Play(fault, pods=pods, ticks=range(WARM, WARM + 60)).run()
    assert set(play.verdicts(5).values()) >= {Verdict.INCOMPLETE}, what
    assert play.demand(5).coverage == pytest.approx(1.0 - len(pods) / PODS)
    assert min(play.desired) >= CLEAN.desired[-1]
    assert max(play.desired) <= CLEAN.desired[-1] + 1
    assert play.state.filters.level == pytest.approx(CLEAN.state.filters.level, rel=0.01)


def test_counters_that_come_back_are_no_growth() -> None:
    """A million rejections long ago are missing for one tick: they have not just happened."""
    play = Play(without("rejected_total"), pods=range(PODS)).run()
    assert [play.demand(later).coverage for later in range(3)] == [0.0, 0.0, 1.0]
    assert set(play.desired) <= set(CLEAN.desired)


def test_counters_that_are_reset_every_other_tick_hold() -> None:
    play = Play(
        lambda sample: replace(sample, **dict.fromkeys(COUNTERS, 0.0)),  # type: ignore[arg-type]
        pods=range(PODS),
        ticks=range(WARM, WARM + 60, 2),
    ).run()
    assert play.verdicts(0)["qwen-3"] is Verdict.RESET
    assert min(play.desired) >= CLEAN.desired[-1]


def test_an_engine_that_generates_nothing_counts() -> None:
    """Embeddings: a first token is counted for each prompt, and no token is generated."""
    play = Play(
        lambda sample: replace(sample, generation_tokens_total=0.0, request_generation_tokens_sum=0.0),
        pods=range(PODS),
        ticks=range(10),
    ).run(0, 10)
    assert set(play.verdicts(-1).values()) == {Verdict.COUNTED}
    assert play.state.filters.level == pytest.approx(10 * 0.9 * 0.9 * 1000 / 2500 / 0.85, rel=0.05)


def test_a_process_that_replaces_another_need_not_show_all_that_it_had() -> None:
    """A container that starts again with another version, or with fewer engines, is not incomplete for good."""

    def restarted(sample: PodSample) -> PodSample:
        if sample.at_seconds < START + 5 * TICK:
            return replace(sample, started_seconds=START - 100.0)
        return replace(sample, started_seconds=START + 60.0, engines=1.0, rejected_total=None, first_tokens_total=None)

    play = Play(restarted, ticks=range(10)).run(0, 10)
    assert [play.verdicts(later)["qwen-3"] for later in range(5, 10)] == [
        Verdict.COUNTED,
        Verdict.RESET,
        Verdict.FIRST,
        Verdict.COUNTED,
        Verdict.COUNTED,
    ]


def test_a_young_process_may_pass_the_one_before() -> None:
    """Its counters fall at tick 5 and reach what they were at tick 10, as ordinary growth: nothing is back."""

    def young(sample: PodSample) -> PodSample:
        tick = round((sample.at_seconds + 1.0 - START) / TICK)
        return replace(page(3, tick if tick < 5 else tick - 5), at_seconds=sample.at_seconds)

    play = Play(young, ticks=range(20)).run(0, 20)
    assert [later for later in range(20) if play.verdicts(later)["qwen-3"] is Verdict.RESET] == [5]


def test_a_sum_that_jumped_once_is_no_fault_when_a_queue_is_served() -> None:
    """From then on more prompts seem to have ended than were read; those of requests that were held are not known."""

    read = replace(page(3, WARM), prompt_tokens_total=1000.0, request_prompt_tokens_sum=1e6, running=30.0)
    ended = replace(
        read,
        at_seconds=read.at_seconds + TICK,
        running=0.0,
        prompt_tokens_total=1500.0,
        request_prompt_tokens_sum=1e6 + 30_000.0,
        request_prompt_tokens_count=(read.request_prompt_tokens_count or 0.0) + 30.0,
        request_generation_tokens_sum=(read.request_generation_tokens_sum or 0.0) + 600.0,
        request_generation_tokens_count=(read.request_generation_tokens_count or 0.0) + 30.0,
        finished_total=(read.finished_total or 0.0) + 30.0,
        generation_tokens_total=(read.generation_tokens_total or 0.0) + 600.0,
    )
    tokens = warm(Signal.WORK).filters.tokens
    assert possible_growth(POLICY.engine, tokens, read, ended)
    assert not possible_growth(
        POLICY.engine,
        tokens,
        replace(read, request_prompt_tokens_sum=1000.0),
        replace(ended, request_prompt_tokens_sum=31_000.0),
    )


def test_a_pod_near_the_bound_is_doubted_once() -> None:
    """It ends five times as many requests as its profile allows, now a few more and now a few less."""

    def fast(sample: PodSample) -> PodSample:
        tick = round((sample.at_seconds - START) / TICK)
        return replace(page(3, 7 * tick + tick % 2), at_seconds=sample.at_seconds)

    play = Play(fast, ticks=range(40)).run(0, 40)
    assert [play.verdicts(later)["qwen-3"] for later in range(40)].count(Verdict.IMPOSSIBLE) == 1


def test_a_short_list_of_pods_holds() -> None:
    few = Play(
        lambda _: None,
        pods=range(3, PODS),
        ticks=range(WARM, WARM + 60),
        supply=lambda _: Supply(10, a_supply(NAMES[:3]).units, unlisted=7),
    ).run()
    assert few.demand(0).coverage == 0.3
    assert min(few.desired) >= CLEAN.desired[-1]
    assert "7 pods of the target not listed" in explain(few.plan(50))


def test_pods_under_load_that_fail_their_probe_count() -> None:
    """Nine of ten are not ready, and all are read: nothing is unknown."""
    started = (StageName.NODE,)
    units = (*a_supply(NAMES[:1]).units, *(Unit(name, Role.REPLICA, started) for name in NAMES[1:]))
    play = Play(ticks=EVER, supply=lambda _: Supply(12, units)).run()
    assert play.demand(-1).coverage == 1.0
    assert play.state.filters.level == pytest.approx(CLEAN.state.filters.level)


def test_pods_that_start_are_a_known_zero() -> None:
    starting = [Unit(f"new-{index}", Role.REPLICA, (StageName.NODE,)) for index in range(5)]
    play = Play(ticks=EVER, supply=lambda supply: replace(supply, units=(*supply.units, *starting))).run()
    assert play.verdicts(0)["new-0"] is Verdict.STARTING
    assert play.desired == CLEAN.desired


def test_a_pod_that_has_never_been_read_is_named() -> None:
    router = Unit("router", Role.REPLICA, tuple(StageName), START)
    play = Play(ticks=EVER, supply=lambda supply: replace(supply, units=(*supply.units, router))).run()
    assert play.verdicts(3)["router"] is Verdict.UNREAD
    reason = next(reason for reason in play.plan(-1).replica_reasons if reason.rule is Rule.PARTIAL)
    assert (reason.note, dict(reason.numbers)["Unread"]) == ("router", 1.0)


def stuck(sample: PodSample) -> PodSample:
    """All clients have hung up, and the gauges still show their requests."""
    return replace(page(3, WARM), at_seconds=sample.at_seconds, running=106.0, waiting=700.0)


@pytest.mark.parametrize("signal", list(Signal))
def test_a_queue_that_does_not_move_is_no_load(signal: Signal) -> None:
    play = Play(stuck, ticks=EVER, signal=signal).run()
    verdicts = [play.verdicts(tick)["qwen-3"] for tick in range(1, 20)]
    assert verdicts[:7] == [Verdict.UNCHANGED] * 7
    assert set(verdicts[8:]) == {Verdict.STUCK}
    assert play.demand(-1).waiting == 0.0
    assert play.demand(-1).coverage == 0.9


def test_work_that_leaves_no_trace_in_the_finished_requests_counts() -> None:
    """Half of the clients hang up in mid-answer: what the engine began shows them."""

    def hung_up(sample: PodSample) -> PodSample:
        since = (sample.finished_total or 0.0) - (page(int(sample.pod[-1]), WARM).finished_total or 0.0)
        lost = {name: getattr(sample, name) - 0.5 * since for name in ("finished_total", *HISTOGRAMS[1::2])}
        lost |= {
            "request_prompt_tokens_sum": (sample.request_prompt_tokens_sum or 0.0) - 500.0 * since,
            "request_generation_tokens_sum": (sample.request_generation_tokens_sum or 0.0) - 100.0 * since,
        }
        return replace(sample, **lost)

    for fault in (hung_up, lambda sample: replace(hung_up(sample), first_tokens_total=None)):
        play = Play(fault, pods=range(PODS), ticks=EVER).run()
        assert min(play.desired) >= CLEAN.desired[-1] - 1
        assert max(play.desired) <= CLEAN.desired[-1] + 1


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_step_refuses_inputs_that_are_not_finite_and_names_them(bad: float) -> None:
    inputs = Inputs(START, True, (replace(page(3, 0), waiting=bad),), a_supply(NAMES), COLD_START)
    with pytest.raises(NotFiniteError, match=r"inputs\.samples\[0\]\.waiting is -?(nan|inf)"):
        step(POLICY, State(), inputs)
    with pytest.raises(NotFiniteError, match=r"inputs\.now_seconds"):
        step(POLICY, State(), replace(inputs, now_seconds=bad, samples=()))


def test_step_refuses_a_next_state_that_is_not_finite() -> None:
    state = replace(CLEAN.state, filters=replace(CLEAN.state.filters, volatility=math.inf))
    with pytest.raises(NotFiniteError, match=r"state\.filters\.volatility is inf"):
        step(POLICY, state, Inputs(START + 1e4, True, (), a_supply(NAMES), COLD_START))


def test_a_pod_at_fault_is_named_before_one_that_is_only_new() -> None:
    readings = (Reading("qwen-0", Verdict.FIRST), Reading("qwen-1", Verdict.INCOMPLETE))
    demand = replace(CLEAN.demand(0), coverage=0.8, readings=readings)
    reason = lacking(12, Inputs(START, True, (), a_supply(NAMES), COLD_START), demand)
    assert reason is not None
    assert "qwen-1: a metric that it needs is missing, and 1 more" in phrase(reason)


def test_every_verdict_has_its_clause() -> None:
    assert set(VERDICTS) == set(Verdict)
