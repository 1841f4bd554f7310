"""Whatever becomes unknown, replicas never fall because of it, and scaling works again afterwards."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from policies.log import Decision, decisions
from tests.e2e.harness import Cluster, until
from tests.e2e.harness.cluster import HPA_SYNC_SECONDS, RATE
from tests.e2e.harness.follower import Follower
from tests.e2e.harness.outrider import Outrider
from tests.e2e.harness.workload import IMAGE, Stages, Workload

TICK_SECONDS = 15.0 / RATE
USUAL, MORE = 3.6, 7.2  # requests per second: what 2.5 and 5.1 replicas can just serve
REPLICAS = 4  # for the usual traffic: 2.5 replicas of demand, which may reach 3.4
# A start-up's demand rises to that 2.5 in one to two minutes: until then 4 may run for what has waited, and may fall.
SETTLED_REPLICAS = 2.3
# The shortest hold and no scale-down limit: if unknown were taken for zero, replicas would fall two ticks later.
POLICY = {"scaleDown": {"hold": "15s", "maxPercentPerMinute": 100}}
RISE_SECONDS = 60.0
HISTORY_SECONDS = 70.0  # a controller that starts reads rates over a minute of the wall, which this traffic has to fill


@dataclass(frozen=True)
class Standing:
    """A workload that runs `replicas` because its traffic needs them."""

    cluster: Cluster
    workload: Workload
    outrider: Outrider
    replicas: int = REPLICAS

    def stands(self) -> bool:
        """Whether that many are decided, from a demand that has settled, and all are ready."""
        status, workload = self.workload.status(), self.workload
        settled = float(status.get("demandReplicas", "0")) >= SETTLED_REPLICAS
        all_there = workload.scale() == (self.replicas, self.replicas) and workload.ready() == self.replicas
        return settled and status["desiredReplicas"] == self.replicas and all_there

    def hpa_fails(self) -> bool:
        """Whether the HPA gets no metric."""
        return not self.workload.followed()

    def unknown(self) -> bool:
        """Whether the status has no demand."""
        return "demandReplicas" not in self.workload.status()

    def decisions(self, since_seconds: float) -> list[Decision]:
        """The controller's decisions since that wall time."""
        files = sorted(self.outrider.decisions.glob("*.jsonl"))
        lines = [one for file in files for one in decisions(file.read_text().splitlines(keepends=True))]
        return [one for one in lines if self.wall(one.inputs.now_seconds) >= since_seconds]

    def wall(self, scenario_seconds: float) -> float:
        """The wall time of a moment in the controller's time."""
        epoch_seconds = self.workload.epoch_seconds
        return epoch_seconds + (scenario_seconds - epoch_seconds) / RATE

    def scales_up(self) -> str:
        """Send more traffic, wait for more replicas, and return to the usual traffic; says how long it took."""
        began, before = time.monotonic(), self.workload.scale()[0]
        self.workload.steady(MORE)
        until(lambda: self.workload.scale()[0] > before, RISE_SECONDS, f"more than {before} replicas")
        text = f"with more traffic {before} -> {self.workload.scale()[0]} in {time.monotonic() - began:.1f} s"
        self.workload.steady(USUAL)
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
    """The workload that the tests disturb one after another."""
    if not cluster.components["kube-apiserver"].running:
        pytest.skip("the cluster of OUTRIDER_E2E_CLUSTER is not to be disturbed")
    namespace = f"unknown-{uuid.uuid4().hex[:5]}"
    cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    workload = Workload(cluster, namespace, stages=Stages(2.0, 0.5, 0.5), policy_spec=POLICY)
    try:
        workload.deploy(3)
        workload.steady(USUAL)
        settings = {"prometheus_url": cluster.prometheus_url, **workload.clock}
        controllers.append(Outrider(cluster, tmp_path_factory.mktemp("outrider"), namespace, settings))
        controllers[0].start()
        workload.scaled_by(controllers[0])
        standing = Standing(cluster, workload, controllers[0])
        print(f"undisturbed: {standing.scales_up()}")
        yield standing
    finally:
        workload.delete()
        cluster.api.delete(f"/api/v1/namespaces/{namespace}")


@pytest.fixture
def standing(own: Standing) -> Standing:
    """The workload once it has settled."""
    until(own.stands, 180, f"{own.workload.namespace} to settle at {REPLICAS} replicas")
    return own


@contextmanager
def _followed(standing: Standing, what: str, *, least: int | None = None) -> Iterator[Follower]:
    """Assert that replicas do not fall below their number within the block; print the fewest, and for how long."""
    with Follower(standing.workload) as follower:
        yield follower
    least = standing.replicas if least is None else least
    print(f"{what}: {follower.least} replicas or more in {follower.seconds:.0f} s, as {least} before")
    assert follower.least >= least, follower.changes


def _last(follower: Follower, seconds: float) -> None:
    """Wait: the test is that nothing happens meanwhile."""
    until(lambda: follower.seconds >= seconds, seconds + 5, f"{seconds:g} s to pass")


def test_pods_out_of_reach(standing: Standing) -> None:
    """In each way in turn; Prometheus, which would fill the gap, is stopped during the first."""
    prometheus = standing.cluster.components["prometheus"]
    for way in ("refuse", "hang", "error"):
        with _followed(standing, f"pods' /metrics {way}") as follower:
            try:
                if way == "refuse":
                    prometheus.stop()
                standing.workload.fault(way)
                until(standing.unknown, 30, "the demand to be unknown")
                print(f"demand unknown after {follower.seconds:.1f} s", end="; ")
                _last(follower, follower.seconds + 2 * TICK_SECONDS)
            finally:
                standing.workload.fault("ok")
                if not prometheus.running:
                    prometheus.start()
            back = follower.seconds
            until(lambda: not standing.unknown(), 30, "the demand to be known")
            print(f"known again {follower.seconds - back:.1f} s after the fault", end="; ")
    print(standing.scales_up())


def test_controller_away(standing: Standing) -> None:
    """Stopped for a while, then killed with -9: KEDA's scaler goes with it, and KEDA retries less and less often."""
    controller, workload = standing.outrider, standing.workload
    until(lambda: time.time() - workload.standin()["started_seconds"] > HISTORY_SECONDS, 90, "history of this traffic")
    began = time.time()
    with _followed(standing, "controller stopped") as follower:
        controller.process.stop()
        try:
            until(standing.hpa_fails, 30, "the HPA to miss its metric")
            _last(follower, 20)
        finally:
            controller.start()
        back = follower.seconds
        until(workload.followed, 60, "the HPA to have its metric")
        print(f"HPA has its metric {follower.seconds - back:.1f} s after the controller is ready", end="; ")
    with _followed(standing, "killed with -9") as follower:
        controller.process.kill()
        controller.start()
        print(f"ready again after {follower.seconds:.1f} s", end="; ")
        until(workload.followed, 60, "the HPA to have its metric")
        _last(follower, follower.seconds + 3 * TICK_SECONDS)
    desired = [one.plan.desired_replicas for one in standing.decisions(began) if one.plan is not None]
    assert min(desired) >= standing.replicas
    print(standing.scales_up())


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
        until(standing.workload.followed, 60, "the HPA to have its metric")
        print(f"HPA has its metric {follower.seconds - back:.1f} s after KEDA's start")
        _last(follower, follower.seconds + 2 * HPA_SYNC_SECONDS)
    print(standing.scales_up())


def test_api_server_restarted(standing: Standing) -> None:
    """Away for longer than the controller trusts its last view of the cluster, which is a minute of its time."""
    away_seconds = 60.0 / RATE + 2 * TICK_SECONDS
    began = time.time()
    with _followed(standing, "API server restarted") as follower:
        standing.cluster.components["kube-apiserver"].stop()
        try:
            _last(follower, away_seconds)
        finally:
            standing.cluster.restart_api_server()
        back = time.time()
        until(lambda: _knowing(standing, back), 60, "a decision that knows the supply")
        print(f"knows the supply {time.time() - back:.1f} s after the API server is ready", end="; ")
        _last(follower, follower.seconds + 2 * HPA_SYNC_SECONDS)
    assert follower.unanswered
    made = standing.decisions(began)
    print(f"{len(made)} decisions, {sum(one.inputs.supply is None for one in made)} without knowing the supply")
    assert any(one.inputs.supply is None for one in made)
    print(standing.scales_up())


@pytest.mark.parametrize(("change", "metrics"), [(+2, "ok"), (-2, "refuse")])
def test_manual_scale(standing: Standing, change: int, metrics: str) -> None:
    """A manual scale is not demand, even while demand is unknown: the HPA goes back to the decision."""
    workload, began, manual = standing.workload, time.time(), standing.replicas + change
    try:
        workload.fault(metrics)
        until(lambda: standing.unknown() or metrics == "ok", 30, "the demand to be unknown")
        with _followed(standing, f"scaled to {manual} manually", least=min(manual, standing.replicas)) as follower:
            standing.cluster.kubectl(
                "-n", workload.namespace, "scale", "deployment", workload.name, f"--replicas={manual}"
            )
            until(lambda: workload.scale()[0] != manual, 30, "the manual number to be replaced")
            took = follower.seconds
            _last(follower, took + HPA_SYNC_SECONDS + TICK_SECONDS)
    finally:
        workload.fault("ok")
    decided = {one.plan.desired_replicas for one in standing.decisions(began) if one.plan is not None}
    print(f"{workload.scale()[0]} again after {took:.1f} s; decided meanwhile: {sorted(decided)}")
    assert {replicas for seconds, replicas in follower.seen if seconds > took} == {standing.replicas}
    assert decided == {standing.replicas}


def test_paused_at_a_number(standing: Standing) -> None:
    """KEDA sets the number of the annotation, and Outrider's decision is followed again afterwards."""
    workload, there = standing.workload, standing.replicas + 1
    with _followed(standing, f"ScaledObject paused at {there}") as follower:
        # KEDA deletes the HPA and writes the number once: a sync of the HPA that is under way may write its own after it.
        stays = any(_stays_at(standing, follower, there) for _ in range(3))
        assert stays, f"not {there} but {workload.scale()[0]} replicas while it was paused"
        back = follower.seconds
        until(lambda: workload.scale()[0] == standing.replicas, 60, f"{standing.replicas} replicas")
        print(f"{standing.replicas} again {follower.seconds - back:.1f} s after the pause", end="; ")
        _last(follower, follower.seconds + HPA_SYNC_SECONDS)


def _stays_at(standing: Standing, follower: Follower, there: int) -> bool:
    """Whether the workload, paused at so many replicas, still has them after the longest time in which others would act."""
    workload = standing.workload
    with _annotated(standing, "autoscaling.keda.sh/paused-replicas", str(there)):
        until(lambda: workload.scale()[0] == there, 30, f"{there} replicas")
        _last(follower, follower.seconds + HPA_SYNC_SECONDS + TICK_SECONDS)
        return workload.scale()[0] == there


def test_rollout(standing: Standing) -> None:
    """With another image every pod is replaced, and at every moment only the pods that serve are counted."""
    workload, began = standing.workload, time.time()
    old = {pod["metadata"]["name"] for pod in workload.pods()}
    with _followed(standing, "rollout") as follower:
        image = f"vllm={IMAGE}-patched"
        standing.cluster.kubectl("-n", workload.namespace, "set", "image", f"deployment/{workload.name}", image)
        until(lambda: _replaced(workload, old), 120, "every pod to be replaced")
        print(f"{len(old)} pods replaced in {follower.seconds:.1f} s", end="; ")
        until(lambda: _whole(standing), 30, "the demand to be known from every new pod")
        print(f"known from each after {follower.seconds:.1f} s", end="; ")
        _last(follower, follower.seconds + 2 * HPA_SYNC_SECONDS)
    made, pods, slack = standing.decisions(began), workload.standin()["pods"], 1.5
    counts: list[int] = []
    for one in made:
        at = standing.wall(one.inputs.now_seconds)
        assert one.inputs.supply is not None
        counts.append(len(one.inputs.supply.ready))
        for name in one.inputs.supply.ready:
            assert pods[name]["ready"] <= at + slack, f"{name} counts before it is ready"
            assert pods[name]["deleted"] is None or at <= pods[name]["deleted"] + slack, f"{name} counts while it goes"
    print(f"counted as ready meanwhile: {' '.join(map(str, counts))}")


def test_paused(standing: Standing) -> None:
    """More is decided, and nothing changes until the pause ends."""
    workload = standing.workload
    with _followed(standing, "ScaledObject paused") as follower:
        with _annotated(standing, "autoscaling.keda.sh/paused", "true"):
            workload.steady(MORE)
            until(lambda: (workload.desired() or 0) > standing.replicas, 30, "more to be decided")
            _last(follower, follower.seconds + HPA_SYNC_SECONDS)
            assert {replicas for _, replicas in follower.seen} == {standing.replicas}
            print(f"stayed while {workload.desired()} were decided", end="; ")
        back = follower.seconds
        until(lambda: workload.scale()[0] > standing.replicas, RISE_SECONDS, f"more than {standing.replicas} replicas")
        print(f"{workload.scale()[0]} replicas {follower.seconds - back:.1f} s after the pause", end="; ")
    workload.steady(USUAL)


@contextmanager
def _annotated(standing: Standing, name: str, value: str) -> Iterator[None]:
    """Annotate the ScaledObject, and wait until KEDA has removed its HPA."""
    api, path = standing.cluster.api, standing.workload.scaled_object
    try:
        api.patch(path, {"metadata": {"annotations": {name: value}}})
        # KEDA's watch comes back late from an API server's absence: 15 s were seen after one of 18 s.
        until(lambda: api.get_or_none(standing.workload.hpa) is None, 90, "the HPA to go")
        yield
    finally:
        api.patch(path, {"metadata": {"annotations": {name: None}}})


def _replaced(workload: Workload, old: set[str]) -> bool:
    names = {pod["metadata"]["name"] for pod in workload.pods()}
    return not names & old and workload.ready() == len(names) == workload.scale()[0]


def _knowing(standing: Standing, since_seconds: float) -> bool:
    return any(one.inputs.supply is not None for one in standing.decisions(since_seconds))


def _whole(standing: Standing) -> bool:
    last = standing.decisions(0.0)[-1]
    supply = last.inputs.supply
    return last.demand.coverage == 1.0 and supply is not None and len(supply.ready) == standing.replicas
