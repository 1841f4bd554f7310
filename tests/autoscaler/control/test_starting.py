"""Starts of replicas, from the cluster's objects to the cold start that decisions are made with."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from autoscaler.kube import trim
from autoscaler.kube.client import Kube
from autoscaler.telemetry import metrics
from crds.notation.timestamps import timestamp
from crds.workload import Weights, WeightsMethod
from policies.ladder import lead_quantile_seconds
from policies.ledger import FAILURES, failure_rate
from policies.log import redecide
from policies.starts import Part
from tests.autoscaler.control.controller import Controller, a_controller, spec
from tests.autoscaler.kube.workloads import TEMPLATE
from tests.autoscaler.starts.recorded import event, node
from tests.support.fake_api import FakeApi, Fault, status

IMAGE = TEMPLATE["spec"]["containers"][0]["image"]
FORBIDDEN = status(403, "Forbidden")
POD = "/api/v1/namespaces/ns/pods/a-1"


async def begin(controller: Controller) -> None:
    """A policy whose pods have been looked at once."""
    await controller.target("a", 1)
    await controller.policy("a", spec("a"))
    await controller.decided("a")
    await controller.until(lambda: "Decided" in controller.conditions("a"))


async def a_start(controller: Controller, name: str, warmup_seconds: float = 40.0) -> None:
    """A replica on a new node: 20 s until the node registers, 10 s for its GPU, an image in 30 s."""
    clock, seen, measured = controller.clock, controller.always.starts, observed(Part.IMAGE, "pulled")
    asked = clock.now()
    path = POD.replace("a-1", name)

    def written(since: float) -> str:
        return timestamp(asked + since)

    def condition(kind: str, since: float) -> dict[str, str]:
        return {"type": kind, "status": "True", "lastTransitionTime": written(since)}

    about: dict[str, Any] = {"metadata": {"labels": {"app": "a"}}, "status": {"phase": "Pending"}}
    await controller.api.put(path, about)
    made = node(created=0.0)
    made["metadata"] |= {"creationTimestamp": written(20.0), "name": f"node-of-{name}", "uid": f"node of {name}"}
    await clock.advance(21.0)
    seen._nodes.put(trim.node(made))
    await clock.advance(9.0)
    seen._nodes.put(trim.node({**made, "status": {"allocatable": {"nvidia.com/gpu": "1"}}}))
    await clock.advance(32.0 + warmup_seconds)
    uid = controller.api.objects[path]["metadata"]["uid"]
    pulled = event(f'Successfully pulled image "{IMAGE}" in 30s (30s including waiting).', 0.0)
    pulled["involvedObject"]["uid"], pulled["lastTimestamp"] = uid, written(61.0)
    seen.pulls.saw(trim.event(pulled), clock.now())
    engine = {"name": "vllm", "restartCount": 0, "state": {"running": {"startedAt": written(62.0)}}}
    state = {
        "phase": "Running",
        "conditions": [
            condition("PodScheduled", 30.0),
            condition("PodReadyToStartContainers", 31.0),
            condition("Ready", 62.0 + warmup_seconds),
        ],
        "containerStatuses": [engine],
    }
    await controller.api.put(path, {**about, "spec": {"nodeName": f"node-of-{name}"}, "status": state})
    await controller.until(lambda: observed(Part.IMAGE, "pulled") > measured)


def lines(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, logged(folder)) if line["kind"] == kind]


def observed(stage: Part, path: str) -> float:
    """How many of a stage the histogram has."""
    value = metrics.REGISTRY.get_sample_value(
        "outrider_coldstart_stage_seconds_count", {"stage": stage.value, "path": path}
    )
    return value or 0.0


def logged(folder: Path) -> list[str]:
    """Every line of the decision log."""
    return [line for file in sorted(folder.glob("decisions-*")) for line in file.read_text().splitlines(keepends=True)]


async def test_a_start_is_measured_logged_and_learned_and_decisions_are_made_with_it(
    api: FakeApi, kube: Kube, tmp_path: Path
) -> None:
    before = observed(Part.IMAGE, "pulled")
    async with a_controller(api, kube, log=tmp_path) as controller:
        await begin(controller)
        await controller.until(lambda: "ColdStartMeasured" in controller.conditions("a"))
        unmeasured = controller.conditions("a")["ColdStartMeasured"]
        assert unmeasured["status"] == "False"
        assert unmeasured["message"].startswith("Until a start is measured, a replica is expected to take 9 min 1 s")
        given = controller.runtime("a").workload.cold_start
        assert controller.runtime("a").cold_start == given
        await a_start(controller, "a-1")
        await controller.until(lambda: lines(tmp_path, "start"))
        [start] = lines(tmp_path, "start")
        assert start["name"] == "ns/a"
        assert start["prior"]["image"]["p50_seconds"] == 230.0
        assert [(each["part"], each["end_seconds"] - each["begin_seconds"]) for each in start["start"]["spans"]] == [
            ("node", 20.0),
            ("gpu", 10.0),
            ("image", 30.0),
            ("warmup", 40.0),
        ]
        assert observed(Part.IMAGE, "pulled") == before + 1

        learned = controller.runtime("a").cold_start
        assert lead_quantile_seconds(learned, (), 0.0) < lead_quantile_seconds(given, (), 0.0)
        await controller.until(lambda: controller.conditions("a")["ColdStartMeasured"]["status"] == "True")
        await controller.until(lambda: lines(tmp_path, "decision")[-1]["inputs"]["cold_start"]["gpu"] is not None)
        await controller.until(lambda: [each for each in api.bodies if each.get("reason") == "ColdStartLearned"])
        [learned_here] = [each["message"] for each in api.bodies if each.get("reason") == "ColdStartLearned"]
        assert learned_here.startswith("A replica takes ")
        assert "spec.coldStart or the profile expects 9 min 1 s" in learned_here

    assert all(each.matches for each in redecide(logged(tmp_path)))


async def test_a_node_that_may_be_an_older_pods_says_nothing_of_how_long_a_node_takes(
    api: FakeApi, kube: Kube, tmp_path: Path
) -> None:
    async with a_controller(api, kube, log=tmp_path) as controller:
        await begin(controller)
        older = {"metadata": {"labels": {"app": "a"}}, "status": {"phase": "Pending"}}
        await api.put(POD.replace("a-1", "a-9"), older)
        await controller.clock.advance(30.0)
        await a_start(controller, "a-1")
        await controller.until(lambda: lines(tmp_path, "start"))
        assert [each["part"] for each in lines(tmp_path, "start")[0]["start"]["spans"]] == ["gpu", "image", "warmup"]


async def test_a_stage_that_leaves_its_learned_range_is_an_event(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        await begin(controller)
        for number in range(1, 9):
            await a_start(controller, f"a-{number}")
        assert not [each for each in api.bodies if each.get("reason") == "ColdStartSlow"]
        await a_start(controller, "a-9", warmup_seconds=900.0)
        await controller.until(lambda: [each for each in api.bodies if each.get("reason") == "ColdStartSlow"])
        [slow] = [each for each in api.bodies if each.get("reason") == "ColdStartSlow"]
        assert slow["type"] == "Warning"
        assert slow["message"].startswith("Pod a-9 started more slowly than others here: warmup took 15 min, where ")


async def test_an_edit_of_the_given_cold_start_counts_at_once(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        await begin(controller)
        runtime = controller.runtime("a")
        runtime.offer_cold_start(runtime.cold_start, runtime.workload.cold_start, ("nodes",))
        await controller.policy("a", spec("a", coldStart={"image": {"p50": "5s", "p95": "9s"}}))
        await controller.until(lambda: runtime.workload.generation == 2)
        assert runtime.cold_start == runtime.workload.cold_start
        assert runtime.cold_start.image is not None
        assert runtime.cold_start.image.p50_seconds == 5.0


async def test_where_it_is_not_learned_a_start_is_only_measured(api: FakeApi, kube: Kube, tmp_path: Path) -> None:
    async with a_controller(api, kube, log=tmp_path, learn_cold_starts=False) as controller:
        await begin(controller)
        await a_start(controller, "a-1")
        await controller.until(lambda: lines(tmp_path, "start"))
        assert controller.runtime("a").cold_start == controller.runtime("a").workload.cold_start
        assert "ColdStartMeasured" not in controller.conditions("a")


async def test_weights_that_come_to_the_node_by_an_image_are_learned_apart_from_the_warm_up(
    api: FakeApi, kube: Kube, tmp_path: Path
) -> None:
    async with a_controller(api, kube, log=tmp_path) as controller:
        await begin(controller)
        runtime, asked = controller.runtime("a"), controller.clock.now()
        weights = Weights(WeightsMethod.IMAGE, image="weights:v1")
        runtime.follow(replace(runtime.workload, weights=weights), asked)
        pulled = event('Successfully pulled image "weights:v1" in 20s (20s including waiting).', 0.0)
        pulled |= {"lastTimestamp": timestamp(asked + 55.0), "source": {"host": "node-of-a-1"}}
        controller.always.starts.pulls.saw(trim.event(pulled), asked + 55.0)
        await a_start(controller, "a-1")
        await controller.until(lambda: lines(tmp_path, "start"))
        spans = {each["part"]: each for each in lines(tmp_path, "start")[0]["start"]["spans"]}
        assert spans["weights"]["begin_seconds"] - asked == 35.0
        entries = controller.leader.observer.ledger.entries
        assert ("ns/a by image", "weights:v1") in entries[Part.WEIGHTS]
        assert {key[0] for key in entries[Part.WARMUP]} == {"ns/a"}
        learned = runtime.cold_start.weights
        given = runtime.workload.cold_start.weights
        assert learned is not None
        assert given is not None
        assert learned.p50_seconds < given.p50_seconds


async def test_a_machine_that_was_not_to_be_had_is_a_failure_of_the_node(api: FakeApi, kube: Kube) -> None:
    def failures() -> float:
        return metrics.REGISTRY.get_sample_value("outrider_coldstart_failures_total", {"stage": "node"}) or 0.0

    before = failures()
    async with a_controller(api, kube) as controller:
        await begin(controller)
        claims = controller.always.starts._claims
        about = {"name": "g-1", "uid": "g-1", "labels": {"karpenter.sh/nodepool": "gpu"}}
        claim: dict[str, Any] = {
            "metadata": {**about, "creationTimestamp": timestamp(controller.clock.now())},
            "spec": {"resources": {"requests": {"nvidia.com/gpu": "1"}}},
        }
        claims.put(trim.node_claim(claim))
        claims.drop(trim.node_claim(claim))
        await controller.until(lambda: failures() == before + 1)
        assert failure_rate(controller.leader.observer.ledger, Part.NODE, ("gpu", "g6.xlarge", "spot")) > FAILURES


async def test_how_likely_the_next_start_is_to_fail_is_a_metric_of_each_stage(api: FakeApi, kube: Kube) -> None:
    def ratio(stage: str) -> float:
        labels = {"policy": "ns/a", "stage": stage}
        return metrics.REGISTRY.get_sample_value("outrider_coldstart_failure_ratio", labels) or 0.0

    async with a_controller(api, kube) as controller:
        await begin(controller)
        await controller.until(lambda: ratio("warmup") == FAILURES)
        await a_start(controller, "a-1")
        await controller.until(lambda: ratio("warmup") < FAILURES)
        assert ratio("node") < FAILURES


async def test_with_the_engines_log_the_parts_of_a_warm_up_are_known(api: FakeApi, kube: Kube, tmp_path: Path) -> None:
    async with a_controller(api, kube, log=tmp_path, engine_logs=True) as controller:
        await begin(controller)
        api.standing.append(("/pods/a-1/log?", FORBIDDEN))
        await a_start(controller, "a-1")
        asked = controller.clock.now()
        up = [
            (40.0, "Starting to load model"),
            (52.0, "Loading weights took 9 s"),
            (80.0, "init engine (profile) took 28 s"),
        ]
        lines_of_log = [f"{timestamp(asked + 22.0 + after)} {text}" for after, text in up]
        api.standing.append(("/pods/a-2/log?", Fault(200, "\n".join(lines_of_log).encode(), "text/plain")))
        await a_start(controller, "a-2", warmup_seconds=90.0)
        await controller.until(lambda: len(lines(tmp_path, "start")) == 2)
        whole, in_parts = ([each["part"] for each in start["start"]["spans"]] for start in lines(tmp_path, "start"))
        assert whole[-1] == "warmup"
        assert in_parts[-4:] == ["process", "load", "graphs", "probe"]
        assert any("limitBytes=1048576" in request and "container=vllm" in request for request in api.requests)
