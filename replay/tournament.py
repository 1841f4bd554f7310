"""One scenario, played by Outrider and by its peers: the reactive ScaledObject, and an HPA tuned for this very trace."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

from crds.schedules import windows
from crds.workload import Workload
from policies.ladder import Rung, lead_seconds
from policies.model import Inputs, StepResult, Window
from replay import frontier
from replay.contenders.hpa_on_metric import reactive, tuned
from replay.contenders.outrider import Outrider
from replay.driver import Contender, Outcome, run
from replay.scenario.hardware import HARDWARE
from replay.scenario.scenario import Hardware, PastKind, Scenario, build
from replay.traces.trace import Trace

Progress = Callable[[str, float], None]  # who plays, and the share of everything that is done
RUNS = 2 + frontier.STEPS + 4 * frontier.ROUNDS  # at the most


class Kind(StrEnum):
    """What a row of the comparison is."""

    OUTRIDER = "outrider"
    REACTIVE = "reactive"
    AT_COST = "tuned_at_cost"
    AT_ATTAINMENT = "tuned_at_attainment"


@dataclass(frozen=True, slots=True)
class Row:
    """One contender. `target` is that of a tuned HPA: requests in flight per replica."""

    kind: Kind
    outcome: Outcome
    target: float | None = None


@dataclass(frozen=True, slots=True)
class Tried:
    """One target of the tuned HPA's sweep, in requests in flight per replica."""

    target: float
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Comparison:
    """All rows on one scenario. A pick of the tuned HPA for which no target qualifies has no row."""

    scenario: Scenario
    workload: Workload
    rows: tuple[Row, ...]
    sweep: tuple[Tried, ...]  # ascending

    def row(self, kind: Kind) -> Row | None:
        """The row of that kind, if there is one."""
        return next((row for row in self.rows if row.kind is kind), None)

    @property
    def cheapest_within_slo(self) -> Tried | None:
        """The HPA's target that keeps the SLO at the least cost, in hindsight."""
        points = [
            frontier.Point(each.target, each.outcome.score.gpu_hours, each.outcome.attainment) for each in self.sweep
        ]
        found = frontier.at_attainment(points, self.workload.policy.attainment)
        return None if found is None else next(each for each in self.sweep if each.target == found.target)

    @property
    def ours(self) -> Outcome:
        """Outrider's outcome."""
        return self.rows[0].outcome


def scene(
    trace: Trace,
    workload: Workload,
    *,
    scale: float,
    start_seconds: float,
    duration_seconds: float | None,
    past: PastKind,
    seed: int,
) -> Scenario:
    """The scenario that a policy meets: its profile's hardware, a pool that holds its maximum, a first fleet within its bounds.

    Raises ValueError as `build` does.
    """
    scenario = build(
        trace,
        scale=scale,
        start_seconds=start_seconds,
        duration_seconds=duration_seconds,
        past=past,
        hardware=hardware(workload),
        seed=seed,
    )
    policy = workload.policy
    fleet = min(max(scenario.initial_replicas, policy.min_replicas), policy.max_replicas)
    return replace(scenario, initial_replicas=fleet)


def hardware(workload: Workload) -> Hardware:
    """The profile's, at the workload's price. The pool also holds prepared nodes, and as many replicas again that drain."""
    policy, gpus = workload.policy, workload.gpus_per_replica
    return replace(
        HARDWARE[workload.profile],
        gpus_per_replica=gpus,
        gpus_per_node=gpus,
        price_per_gpu_hour=workload.price_per_gpu_hour,
        max_nodes=2 * policy.max_replicas + policy.max_prepared_nodes,
    )


def compare(
    scenario: Scenario,
    workload: Workload,
    watch: Callable[[Inputs, StepResult], None] = lambda _inputs, _result: None,
    progress: Progress = lambda _name, _share: None,
    ours: Outcome | None = None,
) -> Comparison:
    """Play the scenario with every contender. `watch` is told each decision of Outrider.

    `ours` is what Outrider came to where it has been played already, live.
    """
    policy = workload.policy
    played = 0

    def play(contender: Contender) -> Outcome:
        nonlocal played
        done = played / RUNS
        outcome = run(
            scenario,
            contender,
            lambda share: progress(contender.name, done + share / RUNS),
            policy.queue_wait_seconds,
        )
        played += 1
        return outcome

    ahead = lead_seconds(policy, Rung.REQUESTED)
    if ours is None:
        ours = play(Outrider(policy, scenario.past, partial(_windows, workload, ahead), watch))
    bounds = policy.min_replicas, policy.max_replicas, partial(_scheduled, workload)
    plain = play(reactive(*bounds))
    tried: dict[float, Outcome] = {}
    for target in frontier.targets(scenario.hardware.max_num_seqs):
        tried[target] = play(tuned(target, *bounds))
    limits = ours.score.gpu_hours, ours.attainment
    for _ in range(frontier.ROUNDS):
        for target in frontier.finer(_points(tried), *limits):
            tried[target] = play(tuned(target, *bounds))
    progress("", 1.0)
    picks = {
        Kind.AT_COST: frontier.at_cost(_points(tried), limits[0]),
        Kind.AT_ATTAINMENT: frontier.at_attainment(_points(tried), limits[1]),
    }
    chosen = (Row(kind, tried[pick.target], pick.target) for kind, pick in picks.items() if pick is not None)
    return Comparison(
        scenario,
        workload,
        (Row(Kind.OUTRIDER, ours), Row(Kind.REACTIVE, plain), *chosen),
        tuple(Tried(target, tried[target]) for target in sorted(tried)),
    )


def _points(tried: dict[float, Outcome]) -> list[frontier.Point]:
    return [frontier.Point(target, it.score.gpu_hours, it.attainment) for target, it in tried.items()]


def _windows(workload: Workload, ahead_seconds: float, now_seconds: float) -> tuple[Window, ...]:
    return windows(workload.schedules, now_seconds, ahead_seconds)


def _scheduled(workload: Workload, now_seconds: float) -> int:
    """What KEDA's cron triggers ask for, with the policy's own windows: they begin on time, not ahead of it."""
    return max((window.min_replicas for window in windows(workload.schedules, now_seconds, 1.0)), default=0)
