"""Whatever happens, balloons stay within the cap and end where they are wanted."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.actuators.manifest import BalloonSettings
from tests.autoscaler.actuators.cluster import Cluster, a_need, cluster
from tests.autoscaler.kube.workloads import TEMPLATE, workload
from tests.support.fake_api import HTML

CAP = 3
ROLLED = {"spec": {**TEMPLATE["spec"], "nodeSelector": {"pool": "other"}}}
EVENTS = st.one_of(
    st.tuples(st.just("want"), st.integers(0, CAP + 2)),
    st.tuples(st.just("lag"), st.integers(0, CAP + 2)),  # act on what the watches saw before
    st.tuples(st.just("crash"), st.just(0)),
    st.tuples(st.sampled_from(["run", "preempt", "expire", "break"]), st.integers(0, CAP - 1)),
    st.tuples(st.sampled_from(["roll", "refuse", "answer", "sweep"]), st.just(0)),
    st.tuples(st.just("wait"), st.integers(1, 90)),
)


@given(st.lists(EVENTS, max_size=25), st.integers(0, CAP + 2))
def test_the_cap_holds_at_every_moment_and_the_wanted_number_is_reached(
    events: list[tuple[str, int]], wanted: int
) -> None:
    """About a second: each of its lives has an API server of its own."""
    asyncio.run(_play(events, wanted))


async def _play(events: list[tuple[str, int]], wanted: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with cluster(Path(folder), BalloonSettings(max_balloons=CAP + 1)) as there:
            template: dict[str, Any] = TEMPLATE
            for what, number in events:
                template = ROLLED if what == "roll" else template
                await _happen(there, what, number, template)
                await there.control()
                assert len(there.jobs()) + len(there.jobs(ended=True)) <= CAP
            there.api.standing.clear()
            await there.clock.advance(60)
            there.catch_up()
            await there.ensure(wanted, template=template)
            await there.ensure(wanted, template=template)
            assert len(there.jobs()) == min(wanted, CAP)
            assert there.jobs(ended=True) == []


async def _happen(there: Cluster, what: str, number: int, template: dict[str, Any]) -> None:
    slots = there.jobs()
    slot = slots[number] if number < len(slots) else None
    match what:
        case "want":
            await there.ensure(number, template=template)
        case "lag":
            await there.balloons.ensure(workload(), template, *a_need(number), there.clock.now())
        case "crash":
            there.crash()
        case "refuse":
            there.api.standing.append(("POST", HTML))
        case "answer":
            there.api.standing.clear()
        case "sweep":
            await there.balloons.release(there.clock.now())
        case "wait":
            await there.clock.advance(number)
        case "run" if slot:
            await there.run_pod(slot)
        case "preempt" if slot:
            await there.preempt(slot)
        case "expire" if slot:
            await there.expire(slot)
        case "break" if slot:
            await there.crash_container(slot)
