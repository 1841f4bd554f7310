"""Whatever becomes unknown, replicas never fall because of it, and afterwards all goes on."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import pytest

from policies.log import Decision, decisions
from tests.e2e.harness import Cluster, until
from tests.e2e.harness.cluster import HPA_SYNC_SECONDS, RATE
from tests.e2e.harness.follower import Follower
from tests.e2e.harness.outrider import Outrider
from tests.e2e.harness.service import Service, Stages

TICK_SECONDS = 15.0 / RATE
USUAL, MORE = 3.1, 8.0  # requests per second: what 2.2 and 5.6 replicas can just serve
# The shortest hold and no limit of release: if unknown were taken for zero, replicas would fall two ticks later.
POLICY = {"scaleDown": {"hold": "15s", "maxPercentPerMinute": 100}}
SETTLED_SECONDS = 2 * TICK_SECONDS
RISE_SECONDS = 60.0


@dataclass(frozen=True)
class Standing:
    """A service that stands at `replicas` because its traffic asks for them."""

    cluster: Cluster
    service: Service
    outrider: Outrider
    replicas: int

    def settle(self) -> None:
        """Wait until it stands there."""
        until(lambda: _stands(self.service, self.replicas), 90, f"{self.service.namespace} at {self.replicas} replicas")

    def hpa_fails(self) -> bool:
        """Whether the HPA gets no metric."""
        return not self.service.followed()

    def unknown(self) -> bool:
        """Whether the status tells no demand."""
        return "demandReplicas" not in self.service.status()

    def decisions(self, since_seconds: float) -> list[Decision]:
        """What the controller has decided since then, in wall seconds."""
        files = sorted(self.outrider.decisions.glob("*.jsonl"))
        lines = [one for file in files for one in decisions(file.read_text().splitlines(keepends=True))]
        return [one for one in lines if self.wall(one.inputs.now_seconds) >= since_seconds]

    def wall(self, scenario_seconds: float) -> float:
        """A moment of the controller's time on the wall's clock."""
        epoch_seconds = self.service.epoch_seconds
        return epoch_seconds + (scenario_seconds - epoch_seconds) / RATE

    def goes_on(self) -> str:
        """More traffic brings more replicas; how long that took. The usual traffic again."""
        began = time.monotonic()
        self.service.steady(MORE)
        until(lambda: self.service.scale()[0] > self.replicas, RISE_SECONDS, f"more than {self.replicas} replicas")
        text = f"with more traffic {self.replicas} -> {self.service.scale()[0]} in {time.monotonic() - began:.1f} s"
        self.service.steady(USUAL)
        return text


@pytest.fixture(scope="module")
def controllers() -> Iterator[list[Outrider]]:
    """One for all tests here."""
    started: list[Outrider] = []
    yield started
    for each in started:
        each.process.stop()


@pytest.fixture(scope="module")
def own(cluster: Cluster, controllers: list[Outrider], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """The service that the tests disturb one after the other."""
    if not cluster.components["kube-apiserver"].running:
        pytest.skip("the cluster of OUTRIDER_E2E_CLUSTER is not to be disturbed")
    namespace = f"unknown-{tmp_path_factory.getbasetemp().name}"
    cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    service = Service(cluster, namespace, stages=Stages(1.0, 0.5, 0.5), policy_spec=POLICY)
    try:
        service.deploy(3)
        service.steady(USUAL)
        settings = {"prometheus_url": cluster.prometheus_url, **service.clock}
        controllers.append(Outrider(cluster, tmp_path_factory.mktemp("outrider"), namespace, settings))
        controllers[0].start()
        service.scaled_by(controllers[0])
        yield Standing(cluster, service, controllers[0], _settled(service))
    finally:
        service.delete()
        cluster.api.delete(f"/api/v1/namespaces/{namespace}")


@pytest.fixture
def standing(own: Standing) -> Standing:
    """The service once it stands where it should."""
    own.settle()
    return own


@contextmanager
def _followed(standing: Standing, what: str, *, least: int | None = None) -> Iterator[Follower]:
    """Inside, replicas must not fall below what they were; tells the fewest and for how long it was looked."""
    with Follower(standing.service) as follower:
        yield follower
    least = standing.replicas if least is None else least
    print(f"{what}: {follower.least} replicas or more in {follower.seconds:.0f} s, as {least} before")
    assert follower.least >= least, follower.seen


def _last(follower: Follower, seconds: float) -> None:
    """Let time pass: what is proved is that nothing happens in it."""
    until(lambda: follower.seconds >= seconds, seconds + 5, f"{seconds:g} s to pass")


def _settled(service: Service) -> int:
    """Where it comes to rest: decided, asked for, there and ready, over a few ticks."""
    since: dict[int, float] = {}

    def rests() -> int:
        count = service.ready()
        if not _stands(service, count):
            since.clear()
            return 0
        return count if time.monotonic() - since.setdefault(count, time.monotonic()) >= SETTLED_SECONDS else 0

    count = until(rests, 90, f"{service.namespace} to come to rest")
    print(f"stands at {count} replicas for a demand of {service.status()['demandReplicas']}")
    assert count >= 3
    return count


def _stands(service: Service, count: int) -> bool:
    status = service.status()
    known = status.get("demandReplicas", "0") not in ("0", "0.0")
    return (
        known and status["desiredReplicas"] == count and service.scale() == (count, count) == (service.ready(), count)
    )


@pytest.mark.parametrize("metrics", ["refuse", "hang", "error"])
def test_pods_out_of_reach(standing: Standing, metrics: str) -> None:
    """With `refuse`, Prometheus, which would fill the gap, is stopped as well."""
    prometheus = standing.cluster.components["prometheus"]
    with _followed(standing, f"pods' /metrics {metrics}") as follower:
        try:
            if metrics == "refuse":
                prometheus.stop()
            standing.service.fault(metrics)
            until(standing.unknown, 30, "the demand to be unknown")
            print(f"demand unknown after {follower.seconds:.1f} s: {standing.service.status()['message']}")
            _last(follower, follower.seconds + 3 * TICK_SECONDS)
        finally:
            standing.service.fault("ok")
            if not prometheus.running:
                prometheus.start()
        back = follower.seconds
        until(lambda: not standing.unknown(), 30, "the demand to be known")
        print(f"known again {follower.seconds - back:.1f} s after the fault")
    print(standing.goes_on())


def test_scaler_stopped(standing: Standing) -> None:
    """KEDA's wait between its dials grows with the outage."""
    with _followed(standing, "controller stopped") as follower:
        standing.outrider.process.stop()
        try:
            until(standing.hpa_fails, 30, "the HPA to miss its metric")
            _last(follower, 20)
        finally:
            standing.outrider.start()
        back = follower.seconds
        until(standing.service.followed, 60, "the HPA to have its metric")
        print(f"HPA has its metric {follower.seconds - back:.1f} s after the controller is ready")
    print(standing.goes_on())


def test_controller_killed(standing: Standing) -> None:
    began = time.time()
    with _followed(standing, "controller killed with -9 and started again") as follower:
        standing.outrider.process.kill()
        standing.outrider.start()
        print(f"ready {follower.seconds:.1f} s after the kill")
        until(standing.service.followed, 60, "the HPA to have its metric")
        _last(follower, follower.seconds + 4 * TICK_SECONDS)
    desired = [one.plan.desired_replicas for one in standing.decisions(began) if one.plan is not None]
    assert len(desired) >= 3
    assert min(desired) >= standing.replicas
    print(standing.goes_on())


def test_keda_restarted(standing: Standing) -> None:
    names = ("keda-operator", "keda-adapter")
    with _followed(standing, "KEDA restarted") as follower:
        try:
            for name in names:
                standing.cluster.components[name].kill()
            until(standing.hpa_fails, 30, "the HPA to miss its metric")
        finally:
            for name in names:
                standing.cluster.components[name].start()
        back = follower.seconds
        until(standing.service.followed, 60, "the HPA to have its metric")
        print(f"HPA has its metric {follower.seconds - back:.1f} s after KEDA's start")
        _last(follower, follower.seconds + 2 * HPA_SYNC_SECONDS)
    print(standing.goes_on())


def test_api_server_restarted(standing: Standing) -> None:
    """Away for longer than the controller trusts what it knew of the cluster, which is a minute of its time."""
    away_seconds = 60.0 / RATE + TICK_SECONDS
    began = time.time()
    with _followed(standing, "API server restarted") as follower:
        standing.cluster.components["kube-apiserver"].stop()
        try:
            _last(follower, away_seconds)
        finally:
            standing.cluster.restart_api_server()
        back = follower.seconds
        until(standing.service.followed, 60, "the HPA to have its metric")
        until(lambda: not standing.unknown(), 60, "the demand to be known")
        print(f"decided and followed {follower.seconds - back:.1f} s after the API server's start")
        _last(follower, follower.seconds + 2 * HPA_SYNC_SECONDS)
    assert follower.unanswered
    made = standing.decisions(began)
    print(f"{len(made)} decisions, {sum(one.inputs.supply is None for one in made)} without knowing the supply")
    assert any(one.inputs.supply is None for one in made)
    print(standing.goes_on())


@pytest.mark.parametrize("by_hand", [-2, +2])
def test_manual_scale(standing: Standing, by_hand: int) -> None:
    """The hand's number is no demand: the decision stays, and KEDA's HPA brings the replicas back to it."""
    service, began = standing.service, time.time()
    hand = standing.replicas + by_hand
    with _followed(standing, f"{hand} replicas by hand", least=min(hand, standing.replicas)) as follower:
        standing.cluster.kubectl("-n", service.namespace, "scale", "deployment", service.name, f"--replicas={hand}")
        until(lambda: service.scale()[0] not in (hand, standing.replicas + by_hand), 30, "the hand's number to go")
        took = follower.seconds
        landed = service.scale()[0]
        _last(follower, took + 2 * HPA_SYNC_SECONDS + 2 * TICK_SECONDS)
    after = [replicas for seconds, replicas in follower.seen if seconds > took]
    decided = {one.plan.desired_replicas for one in standing.decisions(began) if one.plan is not None}
    print(f"{landed} again after {took:.1f} s; decided meanwhile: {sorted(decided)}")
    assert min(after) >= standing.replicas
    assert min(decided) >= standing.replicas
    assert hand not in decided or by_hand < 0
    print(standing.goes_on())


PAUSES: dict[str, Callable[[int], tuple[str, int]]] = {
    "paused": lambda replicas: ("true", replicas),
    "paused-replicas": lambda replicas: (str(replicas + 1), replicas + 1),
}


@pytest.mark.parametrize("annotation", PAUSES)
def test_paused(standing: Standing, annotation: str) -> None:
    """While it is paused more is decided, and nothing moves; afterwards it does."""
    service = standing.service
    value, there = PAUSES[annotation](standing.replicas)
    name = f"autoscaling.keda.sh/{annotation}"
    with _followed(standing, f"ScaledObject {annotation}: {value}") as follower:
        try:
            standing.cluster.api.patch(service.scaled_object, {"metadata": {"annotations": {name: value}}})
            until(lambda: standing.cluster.api.get_or_none(service.hpa) is None, 30, "the HPA to go")
            until(lambda: service.scale()[0] == there, 30, f"{there} replicas")
            paused = follower.seconds
            service.steady(MORE)
            until(lambda: (service.desired() or 0) > there, 30, "more to be decided")
            _last(follower, follower.seconds + 2 * HPA_SYNC_SECONDS)
            assert {replicas for seconds, replicas in follower.seen if seconds > paused} == {there}
            print(f"stayed at {there} while {service.desired()} were decided")
        finally:
            standing.cluster.api.patch(service.scaled_object, {"metadata": {"annotations": {name: None}}})
        back = follower.seconds
        until(lambda: service.scale()[0] > there, RISE_SECONDS, f"more than {there} replicas")
        print(f"{service.scale()[0]} replicas {follower.seconds - back:.1f} s after the pause")
    service.steady(USUAL)


def test_rollout(standing: Standing) -> None:
    """Every pod is replaced; those that count are at every moment the ones that serve."""
    service, began = standing.service, time.time()
    old = {pod["metadata"]["name"] for pod in service.pods()}
    with _followed(standing, "rollout") as follower:
        standing.cluster.kubectl("-n", service.namespace, "rollout", "restart", f"deployment/{service.name}")
        until(lambda: _replaced(service, old), 120, "every pod to be replaced")
        print(f"{len(old)} pods replaced in {follower.seconds:.1f} s")
        _last(follower, follower.seconds + 2 * HPA_SYNC_SECONDS + 2 * TICK_SECONDS)
    made = standing.decisions(began)
    ready = [len(one.inputs.supply.ready) for one in made if one.inputs.supply is not None]
    print(f"counted ready: {' '.join(map(str, ready))}; changes: {sum(one != other for one, other in pairwise(ready))}")
    pods = service.standin()["pods"]
    for one in made:
        for name in one.inputs.supply.ready if one.inputs.supply is not None else ():
            at, slack = standing.wall(one.inputs.now_seconds), 1.0
            assert pods[name]["ready"] <= at + slack, f"{name} counts before it is ready"
            assert pods[name]["deleted"] is None or at <= pods[name]["deleted"] + slack, f"{name} counts while it goes"
    print(standing.goes_on())


def _replaced(service: Service, old: set[str]) -> bool:
    names = {pod["metadata"]["name"] for pod in service.pods()}
    return not names & old and service.ready() == len(names) == service.scale()[0]
