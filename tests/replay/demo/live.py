"""Real processes on a shipped sample, for tests of the whole demo."""

from collections.abc import Iterator
from pathlib import Path

from crds.files import one_policy
from crds.workload import Workload
from policies.log import Decision, decisions
from replay.commands.replay import scenario_of
from replay.demo.processes import Pair
from replay.scenario.build import PastKind
from replay.scenario.documents import Served
from replay.scenario.scenario import Scenario

POLICY_FILE = Path(__file__).parents[3] / "replay" / "demo" / "policy.yaml"
POLICY = one_policy(str(POLICY_FILE))
SPEED = 30.0


def the_workload() -> Workload:
    return POLICY.workload


def the_scenario(*, start: str | None = None, duration: str | None = None, past: PastKind = "trace") -> Scenario:
    workload, name = the_workload(), "sample:office-morning"
    return scenario_of(workload, name, scale=1.0, start=start, duration=duration, past=past, seed=0)


def a_pair(scenario: Scenario, folder: Path, *, slowest_speed: float = 1.0, learns: bool = True) -> Pair:
    served = Served(scenario, (POLICY,))
    return Pair(served, speed=SPEED, folder=folder, slowest_speed=slowest_speed, learns=learns)


def logged(folder: Path) -> Iterator[Decision]:
    """Every decision of a finished or killed controller."""
    for file in sorted(folder.glob("decisions-*.jsonl")):
        with file.open(encoding="utf-8") as lines:
            yield from decisions(lines)
