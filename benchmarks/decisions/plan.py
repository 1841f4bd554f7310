"""Which runs a benchmark needs, as far as those that are known can say: it is asked again until nothing is missing."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from benchmarks.decisions import clairvoyant
from benchmarks.decisions.cases import LONG, MAIN, OTHER, OWN, SMALL, WRONG_PROFILE, Case, workload
from benchmarks.decisions.jobs import OURS, PEERS, Job, Result
from replay.contenders.contender import Entry, Setup
from replay.scenario.hardware import hardware_of
from replay.sim.serving import engine_of

Known = Mapping[Job, Result | None]  # None: the run failed, or found nothing
GOAL = 0.99  # share of the requests within 5 s
SEEDS = (0, 1, 2)
SHARES = (0.9, 0.95, 0.98, 0.995, 0.999)  # of slo.attainment, beside the default
ROUNDS = {MAIN: 2, OWN: 1}  # of halving around the goal
ENGINE_FACTORS = (1.0, 0.5, 0.85, 1.15, 2.0)
ALIKE = 0.0005  # attainments that differ by less count as equal
PLAYED = (*LONG, *SMALL, *OTHER)
LONG_CASES = tuple(Case(traffic.name) for traffic in LONG)


@dataclass(frozen=True, slots=True)
class Point:
    """A setting of a contender, None being as it comes; its cost, and what it attains."""

    value: float | None
    cost: float
    attainment: float


def wanted(known: Known) -> Iterator[Job]:
    """Every run, each once."""
    yield from dict.fromkeys(_wanted(known))


def _wanted(known: Known) -> Iterator[Job]:
    for traffic in PLAYED:
        for case in (*(Case(traffic.name, MAIN, seed) for seed in SEEDS), Case(traffic.name, OWN)):
            yield from (Job(case, entry.key) for entry in (OURS, *PEERS.values()) if entry.make is not None)
        yield from (Job(Case(traffic.name, cold_start), clairvoyant.KEY) for cold_start in (MAIN, OWN))
    yield from (Job(case, OURS.key, share) for case in LONG_CASES for share in SHARES)
    for traffic in WRONG_PROFILE:
        yield from (Job(Case(traffic.name), OURS.key, None, factor) for factor in ENGINE_FACTORS)
    for entry in PEERS.values():
        swept = list(dict.fromkeys(_swept(entry, known)))
        yield from swept
        if all(job in known for job in swept):
            for case in LONG_CASES:
                for pick in (common(entry.key, known), best(points(case, entry.key, known))):
                    if pick is not None:
                        yield from (Job(case._replace(seed=seed), entry.key, pick.value) for seed in SEEDS)


def _swept(entry: Entry, known: Known) -> Iterator[Job]:
    """A knob's grid on each case, and values around the goal; on the long traces also around that of the one for all."""
    if entry.knob is None:
        return
    halfway = entry.knob.between
    cases = [Case(traffic.name) for traffic in PLAYED] + [Case(traffic.name, OWN) for traffic in LONG]
    for case in cases:
        values = grid(entry, case.cold_start)
        yield from (Job(case, entry.key, value) for value in values)
        yield from _around(entry.key, (case,), values, goal(case, known), halfway, known)
    yield from _around(entry.key, LONG_CASES, grid(entry, MAIN), GOAL, halfway, known)


def _around(
    key: str,
    cases: Sequence[Case],
    values: Sequence[float],
    goal: float | None,
    halfway: Callable[[float, float], float],
    known: Known,
) -> Iterator[Job]:
    """Halve, a few times, the step from the cheapest value that attains the goal to its cheaper neighbour."""
    found = [point(key, value, cases, known) for value in values]
    for _ in range(ROUNDS[cases[0].cold_start]):
        tried = [each for each in found if each is not None]
        value = None if goal is None or len(tried) < len(found) else between(tried, goal, halfway)
        if value is None:
            return
        yield from (Job(case, key, value) for case in cases)
        found.append(point(key, value, cases, known))


def between(tried: Iterable[Point], goal: float, halfway: Callable[[float, float], float]) -> float | None:
    """The value halfway from the best to the neighbour that costs less; None where there is none, or nothing between."""
    ordered = sorted((each.value, each.cost) for each in tried if each.value is not None)
    top = best(tried, goal)
    if top is None or top.value is None:
        return None
    place = [value for value, _ in ordered].index(top.value)
    beside = ordered[max(0, place - 1) : place] + ordered[place + 1 : place + 2]
    cheaper = [value for value, cost in beside if cost < top.cost]
    found = halfway(top.value, cheaper[0]) if cheaper else None
    return None if found in {value for value, _ in ordered} else found


def grid(entry: Entry, cold_start: str) -> tuple[float, ...]:
    """The values to begin with: every second one of the knob's own where these are many."""
    assert entry.knob is not None
    policy = workload(cold_start)
    values = tuple(dict.fromkeys(entry.knob.grid(Setup(policy, engine_of(hardware_of(policy))))))
    return values if len(values) <= 6 else values[::2]


def goal(case: Case, known: Known) -> float | None:
    """What a peer has to attain: with one replica's load what Outrider does, else 99 %. None: not known yet."""
    if case.traffic not in {traffic.name for traffic in SMALL}:
        return GOAL
    ours = known.get(Job(case, OURS.key))
    return ours.attainment - ALIKE if ours else None


def reference(case: Case, known: Known) -> float:
    """The clairvoyant's GPU-hours, else Outrider's; with the first seed, since seeds move them by little. NaN: unknown."""
    first = case._replace(seed=0)
    for key in (clairvoyant.KEY, OURS.key):
        if found := known.get(Job(first, key)):
            return found.gpu_hours
    return float("nan")


def point(key: str, value: float | None, cases: Sequence[Case], known: Known) -> Point | None:
    """One setting on several cases: the mean cost as a multiple of the reference, and the least attainment."""
    found = [(case, known.get(Job(case, key, value))) for case in cases]
    results = [(case, result) for case, result in found if result is not None]
    if len(results) < len(found):
        return None
    cost = fmean(result.gpu_hours / reference(case, known) for case, result in results)
    return Point(value, cost, min(result.attainment for _, result in results))


def points(case: Case, key: str, known: Known) -> list[Point]:
    """All settings of a contender that were played on a case, ascending; as it comes first."""
    values = {job.value for job in known if job.case == case and job.contender == key and job.engine_factor == 1.0}
    found = (point(key, value, (case,), known) for value in sorted(values, key=lambda it: -1.0 if it is None else it))
    return [each for each in found if each is not None]


def common(key: str, known: Known, cases: Sequence[Case] = LONG_CASES) -> Point | None:
    """The cheapest setting that attains the goal on each of the cases."""
    values = {each.value for each in points(cases[0], key, known)}
    found = (point(key, value, cases, known) for value in values)
    return best([each for each in found if each is not None])


def best(tried: Iterable[Point], goal: float = GOAL) -> Point | None:
    """The cheapest that attains the goal."""
    return min((each for each in tried if each.attainment >= goal), key=lambda each: each.cost, default=None)
