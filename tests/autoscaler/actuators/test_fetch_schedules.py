"""Whatever happens, and whenever the controller is killed, fetches stay within their limits and none is left behind."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.actuators.fetching import AGAIN_SECONDS, FetchSettings
from autoscaler.actuators.wishes import wish
from autoscaler.kube.objects import labels
from autoscaler.kube.ours import FETCH
from tests.autoscaler.actuators.fetch_cluster import DENIED, NEW_IMAGE, Cluster, cluster
from tests.autoscaler.actuators.nodes import NODES
from tests.autoscaler.kube.workloads import TEMPLATE
from tests.support.fake_api import HTML, LOST

SETTINGS = FetchSettings(max_fetches=3, max_parallel=2)
NAMES = ("a", "b", "c", "d")
EVENTS = st.one_of(
    st.tuples(st.just("turn"), st.just("")),
    st.tuples(st.sampled_from(["crash", "roll", "refuse", "lose", "answer", "sweep", "lag"]), st.just("")),
    st.tuples(
        st.sampled_from(["come", "come old", "leave", "pulled", "stuck", "evicted", "over"]), st.sampled_from(NAMES)
    ),
    st.tuples(st.just("wait"), st.sampled_from(["1", "60", "200", "4000"])),
)


@given(st.lists(EVENTS, max_size=25))
def test_nothing_is_left_and_no_limit_is_passed(events: list[tuple[str, str]]) -> None:
    """About a second: each of its lives has an API server of its own."""
    asyncio.run(_play(events))


async def _play(events: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with cluster(Path(folder), SETTINGS) as there:
            template: dict[str, Any] = TEMPLATE
            for what, name in events:
                template = NEW_IMAGE if what == "roll" else template
                await _happen(there, what, name, template)
                assert len(there.where) <= SETTINGS.max_fetches
            there.api.standing.clear()
            there.api.faults.clear()
            await there.clock.advance(AGAIN_SECONDS)
            there.crash()
            image = template["spec"]["containers"][0]["image"]
            for _ in range(4):
                await there.ensure(template=template)
                for each in list(there.where):
                    await there.pulled(each)
            assert set(there.where.values()) <= {image}, "of another image nothing stays"
            there.policies = []
            there.watches.policies.replace([])
            await there.fetches.release(there.clock.now())
            assert not [
                path for path, thing in there.api.objects.items() if FETCH in labels(thing) and "/jobs/" in path
            ]


async def _happen(there: Cluster, what: str, name: str, template: dict[str, Any]) -> None:
    has_job = name in there.where
    match what:
        case "turn":
            await there.ensure(template=template)
        case "lag":  # act on what the watches saw before
            wanted = wish(there.policies[0], template, 1.0, SETTINGS)
            await there.fetches.ensure(there.policies[0], wanted, there.clock.now())
        case "crash":
            there.crash()
        case "refuse":
            there.api.standing.append(("POST", HTML))
        case "lose":
            there.api.faults.append(("POST", LOST))
        case "answer":
            there.api.standing.clear()
        case "sweep":
            await there.fetches.release(there.clock.now())
            there.catch_up()
        case "come":
            await there.add(there.young(name))
        case "come old":
            await there.add(there.old(name))
        case "leave" if f"{NODES}/{name}" in there.api.objects:
            await there.api.remove(f"{NODES}/{name}")
            there.catch_up()
        case "wait":
            await there.clock.advance(float(name))
        case "pulled" if has_job:
            await there.pulled(name)
        case "stuck" if has_job:
            await there.kubelet(name, waiting={"reason": "ImagePullBackOff", "message": DENIED})
        case "evicted" if has_job:
            await there.kubelet(name, "Failed")
            await there.end(name)
        case "over" if has_job:
            await there.end(name, reason="DeadlineExceeded")
