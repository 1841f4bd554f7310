"""The controller is killed in the middle of a burst and restarted: nothing falls, nothing leaks, decisions go on."""

from pathlib import Path

import pytest

from replay.demo.processes import Pair, Snapshot
from tests.replay.demo.live import a_pair, logged, the_scenario

CRASH_S = 540.0  # 09:17; the rush began at 09:14
BACK_S = 120.0  # scenario time until it is started again


def _play(pair: Pair) -> list[Snapshot]:
    seen: list[Snapshot] = []
    crashed = back = False
    for snapshot in pair.frames(watch_controller=False):
        seen.append(snapshot)
        if not crashed and snapshot["elapsed_seconds"] >= CRASH_S:
            pair.controller.crash()
            crashed = True
        if crashed and not back and snapshot["elapsed_seconds"] >= CRASH_S + BACK_S:
            pair.controller.restart()
            back = True
    return seen


@pytest.mark.realtime
def test_no_replica_is_lost_and_no_balloon_is_leaked(tmp_path: Path) -> None:
    scenario = the_scenario(start="8m", duration="21m")  # 09:08 to 09:29; the rush is at 09:14
    with a_pair(scenario, tmp_path, slowest_speed=10.0) as pair:  # it goes on while nobody scrapes
        seen = _play(pair)
    assert pair.outcome is not None
    crash_seconds = scenario.start_seconds + CRASH_S
    decided = list(logged(pair.decisions))
    before = [each for each in decided if each.inputs.now_seconds <= crash_seconds]
    after = [each for each in decided if each.inputs.now_seconds > crash_seconds + BACK_S]
    assert before[-1].plan is not None
    assert before[-1].plan.desired_replicas > 8  # it was killed in the burst
    assert len(after) > 5  # a boot takes up to 10 s of the wall on a busy machine, 20 ticks here

    held = [each["spec_replicas"] for each in seen if each["elapsed_seconds"] >= CRASH_S]
    assert held == sorted(held)  # nothing falls while it is away, nor when it is back: demand is still high
    assert min(each.plan.desired_replicas for each in after if each.plan) >= before[-1].plan.desired_replicas
    for each in seen:
        balloons = each["balloons"]
        assert sum(balloons.values()) <= 2  # the policy's cap, whoever made them
    last = seen[-1]
    wanted = after[-1].plan
    assert wanted is not None
    assert sum(last["balloons"].values()) <= wanted.prepared_nodes + 1
