"""One run of a tournament or of a sweep, and who plays many of them: this process, or others beside it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from crds.workload import Workload
from replay.contenders.contender import Entry, Setup, Watch
from replay.driver import Outcome, run
from replay.scenario.scenario import Scenario
from replay.sim.serving import engine_of

Progress = Callable[[str, float, int], None]  # what is played, how many runs are done, and of how many at the most


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A contender on a scenario: as it comes, or with its knob at a value. Others can play it: it can be pickled."""

    name: str  # for the progress
    entry: Entry
    scenario: Scenario
    workload: Workload
    knob_value: float | None = None

    def play(
        self,
        progress: Callable[[float], None] = lambda _share: None,
        watch: Watch = lambda _before, _inputs, _result: None,
    ) -> Outcome:
        """Play it here. `progress` is called with the share that is done, `watch` with each decision of Outrider."""
        setup = Setup(
            self.scenario.resolved(self.workload), engine_of(self.scenario.hardware), self.scenario.past, watch
        )
        if self.knob_value is not None and self.entry.knob is not None:
            contender = self.entry.knob.make(setup, self.knob_value)
        elif self.entry.make is not None:
            contender = self.entry.make(setup)
        else:
            raise ValueError(f"{self.entry.key} plays only with a value of its knob")
        return run(self.scenario, contender, progress, self.workload.policy.queue_wait_seconds)


RunProgress = Callable[[Run, float], None]  # a run of this process, and the share of it that is done


class Play(Protocol):
    """Plays runs, and yields each as soon as it is done, in any order."""

    def __call__(self, runs: Sequence[Run], progress: RunProgress, /) -> Iterator[tuple[Run, Outcome]]:
        """Play them."""


def here(runs: Sequence[Run], progress: RunProgress, /) -> Iterator[tuple[Run, Outcome]]:
    """One after the other, in this process."""
    for each in runs:
        yield each, each.play(lambda share, each=each: progress(each, share))  # type: ignore[misc]


def outcomes(runs: Sequence[Run], play: Play, progress: Progress, done: int = 0, most: int = 0) -> dict[Run, Outcome]:
    """The outcome of each run. `done` runs came before these, and all in all there are `most` at the most."""
    found: dict[Run, Outcome] = {}
    most = max(most, done + len(runs))
    for each, outcome in play(runs, lambda run, share: progress(run.name, done + len(found) + share, most)):
        found[each] = outcome
        progress(each.name, done + len(found), most)
    return found
