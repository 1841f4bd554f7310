"""How weights came to a pod's node, by the means that its policy asks for."""

from dataclasses import replace
from typing import Any

import pytest

from autoscaler.control.model_caches import ModelCaches
from autoscaler.control.ways import Ways
from autoscaler.kube import trim
from autoscaler.kube.client import Kube
from autoscaler.kube.collection import local_model_cache
from autoscaler.kube.ours import FETCH, FETCH_JOB, FETCHED, MANAGED_BY, MANAGER, NODE, POLICY
from autoscaler.starts.pods import seen
from crds.workload import Prefetch, Weights, WeightsMethod
from policies.fetches import Ability
from policies.seen import PodSeen
from policies.starts import Part, Span
from policies.supply import StageName
from policies.weights import Came, Way
from tests.autoscaler.control.controller import Controller, a_controller, spec
from tests.autoscaler.starts.recorded import NODE as AT
from tests.autoscaler.starts.recorded import T0, at, event, pod
from tests.support.fake_api import FakeApi, answer

FOLDER = "/models/chat"
POD = seen(trim.pod(pod(scheduled=100.0, sandbox=101.0, started=290.0, ready=500.0)), "vllm")
PREFETCH = Weights(WeightsMethod.PREFETCH, prefetch=Prefetch("aws", (), "", "", FOLDER, 1))
CACHE = Weights(WeightsMethod.LOCAL_MODEL_CACHE, cache="chat")
IMAGE = Weights(WeightsMethod.IMAGE, image="weights:v1")
WORKS = (Ability("Weights", StageName.WEIGHTS, works=True, sentence="."),)


async def with_weights(controller: Controller, weights: Weights) -> Ways:
    await controller.target("a", 1)
    await controller.policy("a", spec("a"))
    await controller.decided("a")
    runtime = controller.runtime("a")
    runtime.follow(replace(runtime.workload, weights=weights), controller.clock.now())
    return Ways(controller.always.starts.pulls, controller.always.watches, ModelCaches(controller.always.kube))


def put_job(controller: Controller, ended: float | None, copied_seconds: float = 80.0, created: float = 65.0) -> None:
    """A prefetch Job on the pod's node."""
    watches = controller.always.watches
    labels = {MANAGED_BY: MANAGER, POLICY: "a", FETCH: "weights", FETCH_JOB: "j"}
    conditions = [{"type": "Complete", "status": "True", "lastTransitionTime": at(ended)}] if ended else []
    about: dict[str, Any] = {"name": "j", "namespace": "ns", "labels": labels, "creationTimestamp": at(created)}
    notes = {"annotations": {NODE: AT, FETCHED: FOLDER}}
    watches.fetches("ns").put({"metadata": about | notes, "status": {"conditions": conditions}})
    over = {"startedAt": at((ended or 0.0) - copied_seconds), "finishedAt": at(ended or 0.0), "exitCode": 0}
    states = [{"name": "prefetch", "state": {"terminated": over} if ended else {}}]
    watches.pods("ns").put({"metadata": about | {"name": "j-1"}, "status": {"containerStatuses": states}})


def span(begin: float, end: float, path: str) -> Span:
    return Span(Part.WEIGHTS, T0 + begin, T0 + end, path)


@pytest.mark.parametrize(
    ("job", "came"),
    [
        (None, Came(None)),
        ({"ended": 200.0}, Came(Way.PREFETCH, FOLDER, span(65.0, 200.0, "pulled"))),
        ({"ended": 200.0, "copied_seconds": 1.0}, Came(Way.PREFETCH, FOLDER, span(101.0, 101.0, "present"))),
        ({"ended": -10.0, "created": -99.0}, Came(Way.PREFETCH, FOLDER, span(101.0, 101.0, "present"))),
        ({"ended": 400.0}, Came(Way.ENGINE)),  # after the engine began: it may have got them itself
        ({"ended": None}, Came(Way.ENGINE)),
    ],
)
async def test_weights_that_a_prefetch_brings(
    api: FakeApi, kube: Kube, job: dict[str, float] | None, came: Came
) -> None:
    async with a_controller(api, kube) as controller:
        ways = await with_weights(controller, PREFETCH)
        if job is not None:
            put_job(controller, **job)
        assert ways.of(controller.runtime("a"), POD) == came


async def test_weights_in_an_image_and_those_that_an_init_container_gets(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        ways, runtime = await with_weights(controller, IMAGE), controller.runtime("a")
        assert ways.of(runtime, POD) == ways.expected(runtime, Way.ENGINE) == Came(Way.IMAGE, "weights:v1")
        pulled = event('Successfully pulled image "weights:v1" in 1m0s (1m0s including waiting).', 200.0)
        controller.always.starts.pulls.saw(trim.event(pulled), T0 + 201.0)
        assert ways.of(runtime, POD).span == span(140.0, 200.0, "pulled")
        own: PodSeen = replace(POD, weights=(T0 + 100.0, T0 + 200.0))
        assert ways.of(runtime, own) == Came(Way.INIT)


async def test_weights_of_a_local_model_cache(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        ways, runtime = await with_weights(controller, CACHE), controller.runtime("a")
        assert ways.of(runtime, POD) == Came(None)
        for since, state in ((60.0, {}), (125.0, {AT: "NodeDownloading"}), (141.0, {AT: "NodeDownloaded"})):
            api.standing[:] = [(local_model_cache("chat"), answer({"status": {"nodeStatus": state}}))]
            await ways._caches.look("chat", T0 + since)
        assert ways.of(runtime, POD) == Came(Way.CACHE, "chat", span(60.0, 141.0, "pulled"))


async def test_what_does_not_work_here_is_not_expected(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        ways, runtime = await with_weights(controller, PREFETCH), controller.runtime("a")
        assert ways.expected(runtime, Way.INIT) == Came(Way.INIT)
        runtime.offer_abilities(WORKS, "")
        assert ways.expected(runtime, Way.INIT) == Came(Way.PREFETCH, FOLDER)
