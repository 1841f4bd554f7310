"""Several workloads on one served cluster: each has its Deployment, pods and scale, and all share nodes and standby."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from autoscaler.actuators.standby.manifest import HoldSettings, standby_job
from crds.files import PoolDocument
from policies.pool import StandbyPhase
from replay.scenario.assemble import cluster
from replay.scenario.cluster import ClusterScenario, Outage
from replay.scenario.documents import Served, served
from replay.scenario.files import load
from replay.sim.cluster import Cluster
from replay.simcluster.controllers import Controllers, Shared
from replay.simcluster.failures import ApiError
from replay.simcluster.network import PodNetwork
from replay.simcluster.policy import put_pool, stored
from replay.simcluster.replicas import Replicas
from replay.simcluster.resources import DEPLOYMENTS, EVENTS, GPU_POOLS, JOBS, NAMESPACES, NODES, PODS, Json
from replay.simcluster.state import snapshot, together
from replay.simcluster.store import Store

OURS = "outrider-system"


class Running:
    """The controllers over a store, without servers; a test moves the time."""

    def __init__(self, of: Served) -> None:
        assert isinstance(of.scenario, ClusterScenario)
        assert of.pool is not None
        self.of, self.pool, self.now = of, of.pool, of.scenario.start_seconds
        self.cluster, self.store = Cluster(of.scenario), Store()
        self.network = PodNetwork(8000)
        self.members = [
            Replicas(
                self.cluster.workload(each.workload.target.name),
                self.store,
                self.network,
                stored(each, self.now)[1],
            )
            for each in of.policies
        ]
        put_pool(self.store, of.scenario, of.pool)
        labels = {each.name: each.node_selector for each in of.pool.pool.offerings}
        shared = Shared(self.cluster, labels)
        self.controllers = Controllers(self.members, self.store, self.network, lambda: self.now, shared)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.controllers.sync()

    def ask(self, offering: str, slot: int = 0) -> Json:
        """Create a standby Job as the controller does."""
        pool = replace(self.pool.pool, uid=self.pool_object["metadata"]["uid"])
        found = pool.offering(offering)
        assert found is not None
        return self.controllers.create_job(OURS, standby_job(pool, found, slot, HoldSettings()))

    @property
    def pool_object(self) -> Json:
        [found] = self.store.objects(GPU_POOLS)
        return found

    def close(self) -> None:
        for pod in list(self.network._listening):
            self.network.close(pod)
        self.network._held.close()

    def standby_pod(self) -> Json | None:
        return next(iter(self.store.objects(PODS, OURS)), None)


def of_file(*, out: bool = False) -> Served:
    file = load("scenario:three-models")
    scenario = cluster(file)
    outages = (Outage("spot", scenario.start_seconds),) if out else ()
    return served(file, replace(scenario, outages=outages))


@pytest.fixture
def there() -> Iterator[Running]:
    running = Running(of_file())
    yield running
    running.close()


def test_a_scenario_file_is_policies_that_join_its_pool() -> None:
    of = of_file()
    assert isinstance(of.pool, PoolDocument)
    assert [each.workload.name for each in of.policies] == ["chat", "code", "search"]
    assert {each.workload.pool for each in of.policies} == {of.pool.pool.name}
    assert [each.workload.target.name for each in of.policies] == ["chat", "code", "search"]


def test_each_workload_has_its_deployment_and_pods(there: Running) -> None:
    assert [each["metadata"]["name"] for each in there.store.objects(DEPLOYMENTS)] == ["chat", "code", "search"]
    there.controllers.scale("default", "code", 3)
    there.pass_time(1.0)
    pods = [each["metadata"]["labels"]["app"] for each in there.store.objects(PODS)]
    assert pods.count("code") == 3
    assert there.members[1].replicas()[0] == 3
    with pytest.raises(ApiError):
        there.controllers.scale("default", "other", 1)


def test_the_pool_and_the_namespaces_are_there(there: Running) -> None:
    assert there.pool_object["spec"]["standby"]["maxNodes"] == 2
    assert [each["metadata"]["name"] for each in there.store.objects(NAMESPACES)] == ["default"]


def test_a_standby_job_gets_a_node_of_its_offering(there: Running) -> None:
    there.ask("on-demand")
    pod = there.standby_pod()
    assert pod is not None
    assert "nodeName" not in pod["spec"]
    there.pass_time(1200.0)
    pod = there.standby_pod()
    assert pod is not None
    assert pod["status"]["phase"] == "Running"
    node = there.store.get(NODES, "", pod["spec"]["nodeName"])
    assert node is not None
    assert node["metadata"]["labels"]["offering"] == "on-demand"


def test_a_replica_takes_it_and_its_job_fails(there: Running) -> None:
    there.ask("spot")
    there.pass_time(1200.0)
    held = there.members[0].replicas()[0]
    there.controllers.scale("default", "chat", held + 1)
    there.pass_time(5.0)
    [job] = there.store.objects(JOBS)
    assert {each["type"] for each in job["status"]["conditions"]} >= {"Failed"}
    assert there.standby_pod() is None


def test_it_is_let_go_with_its_job(there: Running) -> None:
    job = there.ask("spot")
    there.controllers.delete_job(OURS, job["metadata"]["name"])
    assert there.cluster.standby() == ()
    assert there.standby_pod() is None


def test_a_node_selector_of_no_offering_is_refused(there: Running) -> None:
    pool = replace(there.pool.pool, uid=there.pool_object["metadata"]["uid"])
    elsewhere = replace(pool.offerings[0], node_selector={"offering": "none"})
    with pytest.raises(ApiError):
        there.controllers.create_job(OURS, standby_job(pool, elsewhere, 0, HoldSettings()))
    assert list(there.store.objects(JOBS)) == []


def test_a_stock_out_is_said_about_its_pod() -> None:
    there = Running(of_file(out=True))
    try:
        there.ask("spot")
        for _ in range(12):
            there.pass_time(5.0)
        assert [each.phase for each in there.cluster.standby()] == [StandbyPhase.REFUSED]
        said = [each for each in there.store.objects(EVENTS) if each["reason"] == "FailedScheduling"]
        pod = there.standby_pod()
        assert pod is not None
        assert {each["involvedObject"]["uid"] for each in said} == {pod["metadata"]["uid"]}
        assert said[0]["message"].startswith("Failed to schedule pod, no instance type of spot")
    finally:
        there.close()


def test_the_snapshots_of_all_are_one(there: Running) -> None:
    there.ask("spot")
    assert isinstance(there.of.scenario, ClusterScenario)
    each = [
        snapshot(member.world, of.scenario, None)
        for member, of in zip(there.members, there.of.scenario.workloads, strict=True)
    ]
    shown = together(there.cluster, "three-models", each)
    assert shown["spec_replicas"] == sum(one["spec_replicas"] for one in each)
    assert shown["balloons"]["unplaced"] == 1
    assert [offering["name"] for offering in shown["offerings"]] == ["spot", "on-demand"]
