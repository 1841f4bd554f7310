"""A policy's own knobs: each is turned alone, to several values around the policy's, and played on one scenario."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from crds.notation.units import duration
from crds.workload import Workload
from policies.ladder import hold_seconds
from replay.contenders import outrider
from replay.driver import Outcome
from replay.frontier import Costed, at_attainment, efficient
from replay.optimum import MOST_RUNS, Optimum, best
from replay.runs import Play, Progress, Run, here, outcomes
from replay.scenario.build import fitted
from replay.scenario.scenario import Scenario

BELOW, ABOVE, OTHERS = 3, 4, 6  # values that are tried around the policy's own, at most
SHARES = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999)
HOLDS_SECONDS = (0.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0)
COUNTS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)


@dataclass(frozen=True, slots=True)
class PolicyKnob:
    """One setting of a policy that moves cost and attainment."""

    key: str  # for --sweep
    field: str  # in the policy's spec
    own: Callable[[Workload], float]
    ladder: Callable[[Workload], Iterable[float]]  # the values to choose from
    turned: Callable[[Workload, float], Workload]
    show: Callable[[float], str]

    def label(self, value: float) -> str:
        """The field at a value."""
        return f"{self.field} {self.show(value)}"

    def values(self, workload: Workload) -> tuple[float, ...]:
        """The policy's own value and those around it, ascending."""
        own = self.own(workload)
        lower = [value for value in self.ladder(workload) if value < own][-BELOW:]
        higher = [value for value in self.ladder(workload) if value > own][: min(ABOVE, OTHERS - len(lower))]
        return (*lower, own, *higher)


def _attainment(workload: Workload, share: float) -> Workload:
    return replace(workload, policy=replace(workload.policy, attainment=share))


def _hold(workload: Workload, seconds: float) -> Workload:
    return replace(workload, policy=replace(workload.policy, hold_seconds=seconds))


def _minimum(workload: Workload, replicas: float) -> Workload:
    return replace(workload, policy=replace(workload.policy, min_replicas=int(replicas)))


def _prepared(workload: Workload, nodes: float) -> Workload:
    return replace(workload, policy=replace(workload.policy, max_prepared_nodes=int(nodes)))


def _counts(workload: Workload) -> tuple[int, ...]:
    return tuple(count for count in COUNTS if count <= workload.policy.max_replicas)


KNOBS = {
    knob.key: knob
    for knob in (
        PolicyKnob(
            "attainment",
            "slo.attainment",
            lambda workload: workload.policy.attainment,
            lambda _: SHARES,
            _attainment,
            lambda share: f"{share * 100:g}%",
        ),
        PolicyKnob(
            "hold",
            "scaleDown.hold",
            lambda workload: float(round(hold_seconds(workload.policy, workload.cold_start))),
            lambda _: HOLDS_SECONDS,
            _hold,
            duration,
        ),
        PolicyKnob(
            "minimum",
            "minReplicas",
            lambda workload: float(workload.policy.min_replicas),
            lambda workload: _counts(workload)[1:],
            _minimum,
            "{:g}".format,
        ),
        PolicyKnob(
            "prepared",
            "maxPreparedNodes",
            lambda workload: float(workload.policy.max_prepared_nodes),
            _counts,
            _prepared,
            "{:g}".format,
        ),
    )
}


@dataclass(frozen=True, slots=True, eq=False)
class Point(Costed):
    """One knob at one value, and what it came to."""

    knob: PolicyKnob
    value: float
    outcome: Outcome
    own: bool  # the policy as it is

    @property
    def label(self) -> str:
        """The field and its value."""
        return self.knob.label(self.value)


@dataclass(frozen=True, slots=True)
class Swept:
    """All points on one scenario: knob by knob, each ascending, the policy's own value among them."""

    scenario: Scenario
    workload: Workload
    ours: Outcome  # the policy as it is
    points: tuple[Point, ...]
    clairvoyant: Optimum | None = None  # at the SLO's attainment; None where no schedule that was tried attains it

    def is_efficient(self, point: Point) -> bool:
        """Whether no other point beats it: none attains as much for less, or more for as much."""
        best = efficient(sorted(self.points, key=lambda each: not each.own))  # of equals the policy itself
        return any(each is point or (each.own and point.own) for each in best)

    @property
    def late(self) -> float:
        """Share of requests that wait longer than the SLO allows, with the policy as it is."""
        return 1.0 - self.ours.attainment

    @property
    def meets(self) -> bool:
        """Whether the policy meets its SLO as it is."""
        return self.ours.attainment >= self.workload.policy.attainment

    @property
    def safer(self) -> Point | None:
        """The cheapest point that meets the SLO or, where the policy does, halves the late requests."""
        wanted = 1.0 - self.late / 2 if self.meets else self.workload.policy.attainment
        return at_attainment((point for point in self.points if not point.own), wanted)

    @property
    def cheaper(self) -> Point | None:
        """The cheapest point that meets the SLO, if it costs less than the policy as it is."""
        found = at_attainment(self.points, self.workload.policy.attainment)
        return found if found and found.gpu_hours < self.ours.score.gpu_hours else None


def sweep(
    scenario: Scenario,
    workload: Workload,
    knobs: Sequence[PolicyKnob],
    *,
    play: Play = here,
    progress: Progress = lambda _name, _done, _most: None,
) -> Swept:
    """Play the policy as it is, and with each knob at each of its values."""
    own, known = Run("the policy as it is", outrider.ENTRY, scenario, workload), scenario.resolved(workload)
    turns = [
        (knob, value, _turned(knob, value, scenario, workload))
        for knob in knobs
        for value in knob.values(known)
        if value != knob.own(known)
    ]
    runs = [own, *(run for _, _, run in turns)]
    most = len(runs) + MOST_RUNS
    found = outcomes(runs, play, progress, most=most)
    shares = (workload.policy.attainment,)
    (clairvoyant,) = best(scenario, workload, shares, play=play, progress=progress, done=len(runs), most=most)
    progress("", most, most)
    points = [Point(knob, knob.own(known), found[own], own=True) for knob in knobs]
    points += [Point(knob, value, found[run], own=False) for knob, value, run in turns]
    order = {knob.key: place for place, knob in enumerate(knobs)}
    points.sort(key=lambda point: (order[point.knob.key], point.value))
    return Swept(scenario, workload, found[own], tuple(points), clairvoyant)


def _turned(knob: PolicyKnob, value: float, scenario: Scenario, workload: Workload) -> Run:
    turned = knob.turned(workload, value)
    return Run(knob.label(value), outrider.ENTRY, fitted(scenario, turned), turned)
