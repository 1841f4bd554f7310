"""What a live run is worth: a score, a partial one, or none, since the machine kept the controller from working."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crds.notation.units import duration
from replay.cluster_run import ClusterOutcome
from replay.driver import Outcome
from replay.report.columns import percent
from replay.scenario.documents import Served

MOST_MISSED_SHARE = 0.01  # of the controller's scrapes


@dataclass(frozen=True, slots=True)
class Result:
    """A live run at its end, or where it was stopped."""

    outcome: Outcome | ClusterOutcome
    played_seconds: float  # of the scenario
    stopped: bool  # before its end
    decisions: int
    missed_scrapes_share: float
    mean_speed: float  # of the scenario's clock
    pools: Sequence[Mapping[str, object]] = ()  # as `kubectl get gpupool` shows them at the end

    @property
    def problem(self) -> str | None:
        """Why the score does not count, in a sentence; None where it does."""
        if not self.played_seconds:
            return "the traffic had not begun"
        if not self.decisions:
            return "the controller made no decision, so the score would not be its own"
        if self.missed_scrapes_share > MOST_MISSED_SHARE:
            return (
                f"{self.missed_scrapes_share:.1%} of the controller's scrapes came too late to count (at most "
                f"{MOST_MISSED_SHARE:.0%} may): this machine was too busy, even at {self.mean_speed:.0f}x"
            )
        return None

    @property
    def facts(self) -> dict[str, object]:
        """Why there is no whole score, as JSON values."""
        return {
            "stopped": self.stopped,
            "problem": self.problem,
            "played_seconds": self.played_seconds,
            "decisions": self.decisions,
            "missed_scrapes_share": self.missed_scrapes_share,
            "mean_speed": self.mean_speed,
            "suggested_speed": self.suggested_speed,
        }

    @property
    def suggested_speed(self) -> int:
        """An upper limit of the speed at which this machine is likelier to keep up: half of what it reached."""
        return max(1, math.floor(self.mean_speed / 2))


def partial(result: Result, served: Served) -> str:
    """The score of a run that was stopped, in lines for people. The baselines are left out."""
    outcome = result.outcome
    played, whole = (duration(round(each)) for each in (result.played_seconds, served.scenario.duration_seconds))
    of = {"": outcome} if isinstance(outcome, Outcome) else outcome.workloads
    lines = [f"Stopped after {played} of {whole}. Partial score of Outrider:"]
    for document, (name, each) in zip(served.policies, of.items(), strict=True):
        policy = document.workload.policy
        within = f"waited at most {policy.queue_wait_seconds:g} s (the SLO asks for {policy.attainment * 100:g}%)"
        lines.append(f"  {name and name + ': '}{percent(each.attainment)} of {each.score.requests:,} requests {within}")
    score = outcome.score
    return "\n".join([*lines, f"  {score.gpu_hours:,.2f} GPU-hours, ${score.cost:,.2f}"])
