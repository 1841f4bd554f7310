"""Standby nodes held by CapacityBuffers: only a size that is Outrider's to set is set, and it is seen which nodes nobody took."""

from collections.abc import Mapping
from typing import Any, cast

import pytest

from autoscaler.actuators.base import Change
from autoscaler.actuators.standby.buffer import CapacityBuffers
from autoscaler.actuators.standby.manifest import HoldSettings
from autoscaler.kube import trim
from autoscaler.kube.client import Kube
from autoscaler.kube.collection import Collection
from autoscaler.kube.errors import Forbidden, KubeError, NotFound, Unavailable
from autoscaler.kube.store import STALE_SECONDS, Store
from crds.pool import GpuPool
from policies.engine import GRID_SECONDS
from policies.pool import StandbyPhase, StandbyUnit
from replay.simcluster.patch import merge
from tests.autoscaler.actuators.nodes import node
from tests.support.fake_clock import FakeClock
from tests.support.standby_pools import RESERVED, SPOT, a_gpu_pool, a_pool_plan, offering

Json = dict[str, Any]
OURS = "outrider-system"
BUFFER = f"/apis/autoscaling.x-k8s.io/v1beta1/namespaces/{OURS}/capacitybuffers/h100"
TEMPLATE = f"/api/v1/namespaces/{OURS}/podtemplates/node"
POOL = a_gpu_pool("h100", offering(RESERVED, capacityBuffer="h100"), offering(SPOT))


class Objects:
    """The few calls that a buffer needs, on objects by path. There is no validation, and no node autoscaler."""

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.pods: dict[str, list[Json]] = {}  # by node
        self.patches: list[Json] = []
        self.error: KubeError | None = None
        self.may = True

    async def may_list(self, what: Collection) -> bool:
        assert what.path in BUFFER
        return self.may

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        del query
        return self._there(path)

    async def list_all(self, what: Collection) -> tuple[list[Json], str]:
        if self.error:
            raise self.error
        if what.plural == "pods":
            return self.pods.get(what.field_selector.removeprefix("spec.nodeName="), []), "1"
        labelled = [each for path, each in self.objects.items() if path.startswith(what.path)]
        return [each for each in labelled if what.label_selector in each["metadata"].get("labels", {})], "1"

    async def merge_patch(self, path: str, body: Json) -> Json:
        self.objects[path] = merge(self._there(path), body)
        self.patches.append(body)
        return self.objects[path]

    def _there(self, path: str) -> Json:
        if self.error:
            raise self.error
        if path not in self.objects:
            raise NotFound(f"GET {path}: 404")
        return self.objects[path]


class Cluster:
    def __init__(self) -> None:
        self.api, self.clock, self.nodes = Objects(), FakeClock(), Store()
        self.pools, self.busy = ["h100"], set[str]()
        self.nodes.replace([])
        self.buffer(limits={"nvidia.com/gpu": "32"})
        self.template(8)
        self.start()

    def start(self) -> None:
        kube = cast(Kube, self.api)
        self.buffers = CapacityBuffers(
            kube, self.clock, HoldSettings(OURS), lambda: self.nodes, lambda: self.pools, lambda: self.busy
        )

    def buffer(self, **spec: Any) -> None:
        self.api.objects[BUFFER] = {
            "metadata": {"name": "h100", "namespace": OURS},
            "spec": {"podTemplateRef": {"name": "node"}, **spec},
        }

    def template(self, gpus: int) -> None:
        held = {"resources": {"limits": {"nvidia.com/gpu": str(gpus)}}}
        self.api.objects[TEMPLATE] = {"template": {"spec": {"containers": [held]}}}

    def add(self, name: str, of: str = RESERVED, **about: Any) -> None:
        about = {"gpus": 8, "created_seconds": self.clock.now(), **about}
        self.nodes.put(trim.node(node(name, labels={"karpenter.sh/nodepool": f"h100-{of}"}, **about)))

    def take(self, name: str, gpus: int = 1) -> None:
        held = {"resources": {"limits": {"nvidia.com/gpu": str(gpus)}}}
        self.api.pods[name] = [{"spec": {"containers": [held]}, "status": {"phase": "Running"}}]

    @property
    def replicas(self) -> int | None:
        size: int | None = self.api.objects[BUFFER]["spec"].get("replicas")
        return size

    async def turn(self, nodes: int, pool: GpuPool = POOL) -> Change:
        now = self.clock.now()
        self.buffers.observe(pool, now)
        await self.buffers.look(now)
        return await self.buffers.ensure(pool, a_pool_plan(now, reserved=nodes), now)

    def units(self) -> tuple[StandbyUnit, ...] | None:
        return self.buffers.observe(POOL, self.clock.now())

    def phases(self) -> list[StandbyPhase]:
        return [each.phase for each in self.units() or ()]


@pytest.fixture
def there() -> Cluster:
    return Cluster()


async def test_a_buffer_is_set_to_the_claim_and_says_whose_it_is(there: Cluster) -> None:
    change = await there.turn(2)
    assert (there.replicas, len(change.created), change.problem) == (2, 2, "")
    assert there.api.objects[BUFFER]["metadata"]["labels"] == {"outrider.dev/pool": "h100"}
    assert await there.turn(2) == Change()
    assert len(there.api.patches) == 1
    change = await there.turn(0)
    assert (there.replicas, len(change.released)) == (0, 2)


async def test_never_more_than_the_pool_may_hold(there: Cluster) -> None:
    await there.turn(9)
    assert there.replicas == 3


async def test_an_offering_without_a_buffer_is_not_its_matter(there: Cluster) -> None:
    await there.buffers.ensure(a_gpu_pool(), a_pool_plan(reserved=1), there.clock.now())
    assert there.buffers.observe(a_gpu_pool(), there.clock.now()) == ()
    assert there.api.patches == []


async def test_its_nodes_are_those_that_nobody_has_taken(there: Cluster) -> None:
    await there.turn(3)
    asked = there.clock.now()
    assert there.phases() == [StandbyPhase.REQUESTED] * 3
    await there.clock.advance(60)
    there.add("a")
    there.add("b", gpus=None)
    there.add("c")
    there.add("d")
    there.add("e", SPOT)
    there.add("f", taints=(("karpenter.sh/disrupted", "NoSchedule"),))
    there.take("c")
    there.busy = {"d"}
    await there.turn(3)
    found = there.units() or ()
    assert [(each.phase, each.node) for each in found] == [
        (StandbyPhase.READY, "a"),
        (StandbyPhase.STARTING, "b"),
        (StandbyPhase.REQUESTED, None),
    ]
    assert {each.requested_seconds for each in found} == {asked}
    assert found[1].since_seconds == there.clock.now()


async def test_free_nodes_beyond_its_size_are_not_held(there: Cluster) -> None:
    for name in ("a", "b"):
        there.add(name)
    await there.turn(1)
    assert there.phases() == [StandbyPhase.READY]


async def test_it_waits_while_the_autoscaler_does_not_act_on_it(there: Cluster) -> None:
    await there.turn(1)
    there.api.objects[BUFFER]["status"] = {"conditions": [{"type": "ReadyForProvisioning", "status": "False"}]}
    await there.turn(1)
    assert there.phases() == [StandbyPhase.WAITING]


async def test_it_is_lowered_by_what_replicas_take_until_the_next_decision(there: Cluster) -> None:
    there.add("a")
    there.add("b")
    await there.turn(2)
    await there.turn(2)
    there.take("a")
    await there.turn(2)
    assert there.replicas == 1
    await there.clock.advance(GRID_SECONDS)
    await there.turn(2)
    assert there.replicas == 2


async def test_nodes_that_went_after_it_was_lowered_were_not_taken(there: Cluster) -> None:
    for name in ("a", "b", "c"):
        there.add(name)
    await there.turn(3)
    await there.turn(3)
    await there.turn(1)
    for name in ("b", "c"):
        there.nodes.drop(trim.node(node(name)))
    await there.turn(1)
    assert there.replicas == 1


@pytest.mark.parametrize(
    ("spec", "gpus", "said"),
    [
        ({}, 8, "has no spec.limits, and would outlive this controller at any size"),
        ({"limits": {"cpu": "1"}, "percentage": 20}, 8, "has spec.percentage"),
        ({"limits": {"cpu": "1"}, "podTemplateRef": None}, 8, "has no spec.podTemplateRef"),
        ({"limits": {"cpu": "1"}}, 1, "asks for 1 GPUs, and a node of the offering reserved has 8"),
    ],
)
async def test_one_that_is_not_outriders_to_set_is_left_alone_and_says_why(
    there: Cluster, spec: Json, gpus: int, said: str
) -> None:
    there.buffer(replicas=5, **spec)
    there.template(gpus)
    change = await there.turn(2)
    assert said in change.problem
    assert there.api.patches == []
    assert there.phases() == [StandbyPhase.REFUSED] * 2, "so that the pool asks its next offering"
    assert (await there.turn(0)).problem == ""
    assert there.units() == ()


async def test_one_that_does_not_exist_or_may_not_be_read_says_what_to_do(there: Cluster) -> None:
    del there.api.objects[BUFFER]
    assert "there is no CapacityBuffer outrider-system/h100" in (await there.turn(1)).problem
    there.api.error = Forbidden("GET: 403 forbidden")
    assert "apply the component capacity-buffers" in (await there.turn(1)).problem


async def test_before_it_was_read_and_long_after_it_is_unknown(there: Cluster) -> None:
    assert there.units() is None
    change = await there.buffers.ensure(POOL, a_pool_plan(reserved=1), there.clock.now())
    assert change == Change(problem="the CapacityBuffer h100 has not been read yet")
    await there.turn(1)
    there.api.error = Unavailable("GET: no answer")
    change = await there.turn(2)
    assert change.problem == "GET: no answer"
    assert there.phases() == [StandbyPhase.REQUESTED]
    await there.clock.advance(STALE_SECONDS + 1)
    assert there.units() is None


async def test_nodes_that_are_not_known_are_no_free_nodes(there: Cluster) -> None:
    there.nodes.synced = False
    await there.turn(1)
    assert there.units() is None


async def test_a_foreign_hand_is_reported_and_not_fought(there: Cluster) -> None:
    await there.turn(2)
    there.api.objects[BUFFER]["spec"]["replicas"] = 7
    change = await there.turn(2)
    assert "something else has set spec.replicas of the CapacityBuffer h100 to 7" in change.problem
    assert there.replicas == 7
    change = await there.turn(1)
    assert change.problem
    assert there.replicas == 1
    assert (await there.turn(1)).problem == ""


async def test_after_a_restart_it_goes_on_with_what_is_there(there: Cluster) -> None:
    await there.turn(2)
    there.start()
    assert await there.turn(2) == Change()
    await there.turn(1)
    assert there.replicas == 1


async def test_one_of_a_deleted_pool_is_emptied_also_after_a_restart(there: Cluster) -> None:
    await there.turn(2)
    await there.buffers.release(there.clock.now())
    assert there.replicas == 2
    there.start()
    there.pools = []
    change = await there.buffers.release(there.clock.now())
    assert (there.replicas, change.released) == (0, ("h100",))
    assert there.api.objects[BUFFER]["metadata"]["labels"] == {}
    assert await there.buffers.release(there.clock.now()) == Change()


async def test_one_that_its_pool_no_longer_names_is_emptied_also_after_a_restart(there: Cluster) -> None:
    """An administrator took the offering out, or has Jobs hold its nodes."""
    await there.turn(2)
    there.start()
    await there.buffers.release(there.clock.now())
    assert there.replicas == 2, "what the pool names is not known yet"
    there.buffers.observe(a_gpu_pool("h100", offering(RESERVED), offering(SPOT)), there.clock.now())
    change = await there.buffers.release(there.clock.now())
    assert (there.replicas, change.released) == (0, ("h100",))


async def test_without_the_component_none_is_asked_for(there: Cluster) -> None:
    """A list that is refused would be an error in each sweep."""
    there.api.may, there.api.error = False, Unavailable("GET: asked for all the same")
    assert await there.buffers.release(there.clock.now()) == Change()


async def test_pools_that_are_not_known_leave_them(there: Cluster) -> None:
    await there.turn(2)
    there.buffers._pools = lambda: None
    assert await there.buffers.release(there.clock.now()) == Change()
    assert there.replicas == 2
