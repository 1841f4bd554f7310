"""On an API server that drops an HPA's own tolerance, the value is adjusted, and the HPA lands as near as it can.

Each case starts with replicas that exist. The decision is written with that count, as the loop does; once the HPA has
landed it is written again with the new count, which is what the loop sees one decision later.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from rich.console import Console

from autoscaler.scaler.landing import landing_value
from replay.sim.hpa import Behavior, Hpa, HpaPolicy, Rules, Unit
from tests.e2e import build
from tests.e2e.harness import Cluster, until
from tests.e2e.harness.outrider import scaled_objects
from tests.e2e.harness.scripted import ScriptedScaler
from tests.e2e.harness.target import Target, followed, landing

VERSION = "1.34"  # the last that takes no tolerance
TOLERANCE = 0.1
NOT_NEEDED = ("kube-scheduler", "kwok", "karpenter", "prometheus", "standin")
AT_ONCE = Behavior(Rules(0.0, (HpaPolicy(Unit.PODS, 10_000, 1.0),)), Rules(0.0, (HpaPolicy(Unit.PERCENT, 100, 1.0),)))


@dataclass(frozen=True)
class Case:
    """From a current count to a decision: where the HPA lands, and where it is one decision later."""

    current: int
    desired: int
    lands: int
    ends: int
    maximum: int = 200
    shaped: bool = True

    @property
    def name(self) -> str:
        """The Deployment's name."""
        return f"from-{self.current}-to-{self.desired}" + ("" if self.shaped else "-unshaped")

    def predicted(self, current: int) -> int:
        """Where the simulated HPA lands from this count."""
        value = landing_value(self.desired, current, self.maximum, TOLERANCE if self.shaped else 0.0)
        return Hpa(1, self.maximum, AT_ONCE, TOLERANCE).sync(0.0, current, current, value, 1.0)


CASES = (
    Case(9, 10, 10, 10),  # a small fleet's step is outside the tolerance
    Case(10, 11, 12, 11),  # 11 is 1.1 times 10, and the ends are inside
    Case(11, 12, 13, 12),
    Case(20, 22, 23, 23),  # one too many is inside the tolerance on the way back
    Case(30, 31, 34, 31),
    Case(11, 30, 30, 30),
    Case(38, 39, 38, 38, maximum=40),  # the first step outside would be 42
    Case(16, 15, 15, 15),  # the thousandth above 14 leaves the tolerance
    Case(20, 19, 20, 20),
    Case(20, 18, 18, 18),
    Case(37, 2, 2, 2),
    Case(12, 13, 12, 12, shaped=False),  # what the tolerance does to a value as it is
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One of its own, whose API server has the feature gate off; nothing needs a pod to run."""
    build.build(Console(stderr=True))
    folder = tmp_path_factory.mktemp("cluster")
    with Cluster(folder, gates="HPAConfigurableTolerance=false", without=NOT_NEEDED) as own:
        yield own


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_simulated_hpa_says_the_same(case: Case) -> None:
    """The table below is what the pure functions say; the test below is what the real ones do."""
    assert case.predicted(case.current) == case.lands
    assert case.predicted(case.lands) == case.ends


def test_as_near_as_the_tolerance_lets_it(cluster: Cluster, namespace: str, scaler: ScriptedScaler) -> None:
    address = scaler.serve()
    targets = {case: Target(cluster.api, namespace, case.name, case.maximum) for case in CASES}

    def decide(desired: dict[Case, int], current: dict[Case, int]) -> None:
        for case, target in targets.items():
            scaler.decide(target.key, desired[case], current[case], case.maximum)

    started = {case: case.current for case in CASES}
    decide(started, started)
    for case, target in targets.items():
        target.create(case.current)
    for shaped, version in ((True, ("--kubernetes-version", VERSION)), (False, ())):
        policies = [target.policy for case, target in targets.items() if case.shaped is shaped]
        cluster.api.apply(*scaled_objects(policies, address, *version))
    until(lambda: all(map(followed, targets.values())), 60, "HPAs that have their metric")
    behavior = targets[CASES[0]].hpa()["spec"]["behavior"]
    asked = targets[CASES[0]].scaled_object()["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    for direction in ("scaleUp", "scaleDown"):
        assert "tolerance" in asked[direction]
        assert "tolerance" not in behavior[direction], "the gate is on"

    wanted = {case: case.desired for case in CASES}
    landed = {case: case.lands for case in CASES}
    decide(wanted, started)
    first = landing({target: case.lands for case, target in targets.items()})
    decide(wanted, landed)
    then = landing({target: case.ends for case, target in targets.items()})
    print("from  decision  lands          a decision later")
    for case, target in targets.items():
        times = f"{case.lands:>5} in {first[target]:3.1f} s  {case.ends:>5} in {then[target]:3.1f} s"
        print(f"{case.current:>4}  {case.desired:>8}  {times}" + ("" if case.shaped else "  without hpaTolerance"))
