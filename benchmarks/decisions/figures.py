"""What the runs come to: means over the seeds, frontiers, and the goals beside what was reached."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.decisions import clairvoyant
from benchmarks.decisions.cases import LONG, MAIN, SMALL, WRONG_PROFILE, Case
from benchmarks.decisions.jobs import OURS, PEERS, Job, Result
from benchmarks.decisions.plan import (
    ALIKE,
    ENGINE_FACTORS,
    GOAL,
    LONG_CASES,
    SEEDS,
    Known,
    Point,
    best,
    common,
    points,
)

BEFORE = Path(__file__).with_name("before.json")  # Outrider at 9ad64fc, by case
DAY_HOURS = 24


@dataclass(frozen=True, slots=True)
class Mean:
    """A setting on one traffic with one cold start: means over the seeds that were played."""

    value: float | None
    gpu_hours: float
    within_1s: float
    within_5s: float
    seeds: int


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure beside its goal. `met` is None where a run that it needs is missing."""

    name: str
    goal: str
    value: str
    met: bool | None


class Figures:
    """Everything that the page and the JSON document show."""

    def __init__(self, known: Known, before: Mapping[str, Mapping[str, float]] | None = None) -> None:
        self.known = known
        self.before = stored() if before is None else before

    def mean(self, key: str, value: float | None, traffic: str, cold_start: str = MAIN) -> Mean | None:
        """Over the seeds with which this was played; None where it was not."""
        found = [self.known.get(Job(Case(traffic, cold_start, seed), key, value)) for seed in SEEDS]
        results = [result for result in found if result is not None]
        if not results:
            return None
        return Mean(
            value,
            fmean(result.gpu_hours for result in results),
            fmean(result.within_1s for result in results),
            fmean(result.within_5s for result in results),
            len(results),
        )

    def ours(self, traffic: str, cold_start: str = MAIN) -> Mean | None:
        """Outrider with its default setting."""
        return self.mean(OURS.key, None, traffic, cold_start)

    def then(self, traffic: str, cold_start: str = MAIN) -> Mean | None:
        """Outrider as it was, on the same runs."""
        ours = self.ours(traffic, cold_start)
        found = [self.before.get(str(Case(traffic, cold_start, seed))) for seed in SEEDS[: ours.seeds if ours else 0]]
        kept = [each for each in found if each is not None]
        if not kept:
            return None
        hours, one, five = (fmean(each[name] for each in kept) for name in ("gpu_hours", "within_1s", "within_5s"))
        return Mean(None, hours, one, five, len(kept))

    def clairvoyant(self, traffic: str, cold_start: str = MAIN) -> Result | None:
        """The cheapest schedule found with perfect knowledge."""
        return self.known.get(Job(Case(traffic, cold_start), clairvoyant.KEY))

    def ratio(self, mean: Mean | None, traffic: str, cold_start: str = MAIN) -> float | None:
        """Cost / clairvoyant."""
        least = self.clairvoyant(traffic, cold_start)
        return mean.gpu_hours / least.gpu_hours if mean and least else None

    def tuned(self, key: str, traffic: str, cold_start: str = MAIN, goal: float = GOAL) -> Mean | None:
        """A peer's cheapest setting that attains the goal on this traffic."""
        found = best(points(Case(traffic, cold_start), key, self.known), goal)
        return self.mean(key, found.value, traffic, cold_start) if found else None

    def one_setting(self, key: str) -> Point | None:
        """A peer's cheapest setting that attains the goal on each long trace."""
        return common(key, self.known)

    def cheapest_peer(self, traffic: str, goal: float = GOAL) -> tuple[str, Mean] | None:
        """The cheapest peer that is tuned on this traffic, and its figures."""
        found = [(key, mean) for key in PEERS if (mean := self.tuned(key, traffic, goal=goal))]
        return min(found, key=lambda each: each[1].gpu_hours, default=None)

    # ------------------------------------------------------------ goals

    def goals(self) -> Iterator[Goal]:
        """In the order of the page."""
        yield self._beside_before()
        yield self._beside_clairvoyant()
        yield from self._azure()
        yield self._beside_one_setting()
        yield self._beside_tuned()
        yield self._small()
        yield self._wrong_profile()

    def _long(self) -> list[tuple[str, Mean]] | None:
        found = [(case.traffic, ours) for case in LONG_CASES if (ours := self.ours(case.traffic))]
        return found if len(found) == len(LONG_CASES) else None

    def _beside_before(self) -> Goal:
        return self._mean_cost(
            "mean cost on the four long traces, beside 9ad64fc's, each at 99% or more",
            0.91,
            lambda ours, traffic: ours.gpu_hours / then.gpu_hours if (then := self.then(traffic)) else None,
        )

    def _beside_clairvoyant(self) -> Goal:
        return self._mean_cost("mean cost / clairvoyant on the four long traces, each at 99% or more", 1.26, self.ratio)

    def _mean_cost(self, name: str, most: float, ratio_of: Callable[[Mean, str], float | None]) -> Goal:
        goal, long = f"at most {most:g}", self._long()
        ratios = [ratio for traffic, ours in long or () if (ratio := ratio_of(ours, traffic))]
        if long is None or len(ratios) < len(long):
            return Goal(name, goal, "not known", None)
        value, least = fmean(ratios), min(ours.within_5s for _, ours in long)
        return Goal(name, goal, f"{value:.3f}, least {least:.2%}", value <= most and least >= GOAL)

    def _azure(self) -> Iterator[Goal]:
        traffic = LONG[0].name
        ours, then = self.ours(traffic), self.then(traffic)
        for name, goal, most, value in (
            (
                "azure conv x3 beside 9ad64fc, at 99.5% or more",
                "at most 0.85",
                0.85,
                ours.gpu_hours / then.gpu_hours if ours and then else None,
            ),
            ("azure conv x3, cost / clairvoyant, at 99.5% or more", "at most 1.15", 1.15, self.ratio(ours, traffic)),
        ):
            if ours is None or value is None:
                yield Goal(name, goal, "not known", None)
            else:
                yield Goal(
                    name, goal, f"{value:.3f} at {ours.within_5s:.2%}", value <= most and ours.within_5s >= 0.995
                )

    def _beside_one_setting(self) -> Goal:
        name, goal = "beside the best peer at its best one setting that keeps 99% on each long trace", "at most 0.80"
        long = self._long()
        found = [(one.cost, key, one.value) for key in PEERS if (one := self.one_setting(key))]
        if long is None or not found:
            return Goal(name, goal, "not known" if long is None else "no peer keeps 99% on each", None)
        _, key, value = min(found)
        theirs = [self.mean(key, value, traffic) for traffic, _ in long]
        least = [self.clairvoyant(traffic) for traffic, _ in long]
        units = [each.gpu_hours if each else ours.gpu_hours for each, (_, ours) in zip(least, long, strict=True)]
        ours_cost = fmean(ours.gpu_hours / unit for (_, ours), unit in zip(long, units, strict=True))
        their_cost = fmean(each.gpu_hours / unit for each, unit in zip(theirs, units, strict=True) if each)
        ratio, least_ours = ours_cost / their_cost, min(ours.within_5s for _, ours in long)
        shown = f"{ratio:.3f} ({named(key, value)}), least {least_ours:.2%}"
        return Goal(name, goal, shown, ratio <= 0.80 and least_ours >= GOAL)

    def _beside_tuned(self) -> Goal:
        name = "beside the best peer tuned for each long trace at 99%"
        goal = "cheaper on three of four, never over 1.03"
        long = self._long()
        ratios = [
            ours.gpu_hours / peer[1].gpu_hours for traffic, ours in long or () if (peer := self.cheapest_peer(traffic))
        ]
        if long is None or len(ratios) < len(long):
            return Goal(name, goal, "not known", None)
        least = min(ours.within_5s for _, ours in long)
        met = sum(ratio < 1.0 for ratio in ratios) >= 3 and max(ratios) <= 1.03 and least >= GOAL
        return Goal(name, goal, f"{', '.join(f'{ratio:.3f}' for ratio in ratios)}, least {least:.2%}", met)

    def _small(self) -> Goal:
        name, goal = (
            "one replica's load and idle tenants, beside the cheapest peer that attains as much",
            "at most 1.05",
        )
        ratios = []
        for traffic in SMALL:
            ours = self.ours(traffic.name)
            peer = ours and self.cheapest_peer(traffic.name, ours.within_5s - ALIKE)
            if ours and peer:
                ratios.append(ours.gpu_hours / peer[1].gpu_hours)
        if len(ratios) < len(SMALL):
            return Goal(name, goal, "not known", None)
        return Goal(name, goal, ", ".join(f"{ratio:.3f}" for ratio in ratios), max(ratios) <= 1.05)

    def _wrong_profile(self) -> Goal:
        name = "profile wrong by a factor of two either way, cost from the second day on beside the right one's"
        goal = "at most 1.03"
        found = [row for row in self.wrong_profiles() if row["engine_factor"] in {0.5, 2.0}]
        if len(found) < 2 * len(WRONG_PROFILE):
            return Goal(name, goal, "not known", None)
        return Goal(
            name, goal, ", ".join(f"{row['cost']:.3f}" for row in found), max(row["cost"] for row in found) <= 1.03
        )

    # ------------------------------------------------------------ tables

    def wrong_profiles(self) -> list[dict[str, Any]]:
        """Each profile that was tried: cost of the second day beside the right profile's, and attainment on both days."""
        rows = []
        for traffic in WRONG_PROFILE:
            runs = {
                factor: self.known.get(Job(Case(traffic.name), OURS.key, None, factor)) for factor in ENGINE_FACTORS
            }
            right = runs[1.0]
            for factor, run in sorted(runs.items()):
                if run and right:
                    cost = run.gpu_hours_from(DAY_HOURS) / right.gpu_hours_from(DAY_HOURS)
                    first = 1.0 - sum(run.hourly_late[:DAY_HOURS]) / max(1, sum(run.hourly_requests[:DAY_HOURS]))
                    row = {"traffic": traffic.name, "engine_factor": factor, "cost": cost}
                    rows.append(row | {"first_day": first, "second_day": run.attainment_from(DAY_HOURS)})
        return rows

    def document(self) -> dict[str, Any]:
        """Plain JSON values: goals, and every run."""
        runs = [
            {
                "traffic": job.case.traffic,
                "cold_start": job.case.cold_start,
                "seed": job.case.seed,
                "contender": job.contender,
                "knob": job.value,
                "engine_factor": job.engine_factor,
                "gpu_hours": round(result.gpu_hours, 4),
                "within_1s": round(result.within_1s, 6),
                "within_5s": round(result.within_5s, 6),
                "cost_over_clairvoyant": rounded(self._over(job, result)),
                "requests": result.requests,
            }
            for job, result in sorted(self.known.items(), key=lambda each: str(each[0]))
            if result is not None
        ]
        goals = [
            {"figure": each.name, "goal": each.goal, "value": each.value, "met": each.met} for each in self.goals()
        ]
        return {"version": 1, "goals": goals, "wrong_profile": self.wrong_profiles(), "runs": runs}

    def _over(self, job: Job, result: Result) -> float | None:
        least = self.clairvoyant(job.case.traffic, job.case.cold_start)
        return result.gpu_hours / least.gpu_hours if least else None


def stored() -> dict[str, dict[str, float]]:
    """Outrider's figures at 9ad64fc; empty where there are none."""
    found: dict[str, dict[str, float]] = json.loads(BEFORE.read_text()) if BEFORE.is_file() else {}
    return found


def named(key: str, value: float | None) -> str:
    """A contender and its setting."""
    if key == clairvoyant.KEY:
        return "clairvoyant"
    entry = OURS if key == OURS.key else PEERS[key]
    return entry.name if value is None else f"{entry.name} {value:g}"


def rounded(value: float | None) -> float | None:
    """For JSON."""
    return None if value is None else round(value, 4)
