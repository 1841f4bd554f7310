"""A start of a replica on a real control plane, as the controller measures it: nodes, NodeClaims, Events and pods, with the RBAC in
deploy/. Its kubelets and nodes are stand-ins. The controller runs on the wall's clock, which is the API server's.
"""

import json
from collections.abc import Callable

from tests.e2e.harness import Cluster, until
from tests.e2e.harness.api import Json
from tests.e2e.harness.outrider import Outrider
from tests.e2e.harness.workload import Stages, Workload


def test_a_start_is_measured_from_what_the_cluster_shows(
    cluster: Cluster, namespace: str, outrider: Callable[..., Outrider]
) -> None:
    workload = Workload(cluster, namespace, stages=Stages(warmup_seconds=5.0))  # sooner, a pod has no probe
    says_stages = Stages(weights_seconds=3.0, warmup_seconds=9.0, readiness_stages=True)
    staged = Workload(cluster, namespace, "staged", stages=says_stages)
    controller = outrider(namespace=None, readiness_stages="yes")
    for each in (workload, staged):
        each.deploy(1)
        cluster.api.apply(each.policy)

    def condition(of: Workload = workload) -> Json | None:
        found = of.status().get("conditions") or ()
        return next((each for each in found if each["type"] == "ColdStartMeasured"), None)

    unmeasured = until(condition, 60, "the condition ColdStartMeasured")
    assert unmeasured["status"] == "False"
    assert "cannot be read" not in unmeasured["message"], "all rights are given"
    until(lambda: condition(staged), 60, "the same of the other, whose next replica is measured")
    staged.create(2)
    workload.deploy(2)

    def start(of: Workload) -> Json | None:
        lines = [line for file in controller.decisions.glob("*.jsonl") for line in file.read_text().splitlines()]
        found = [json.loads(line) for line in lines if '"kind":"start"' in line.replace(" ", "")]
        return next((each for each in found if each["name"] == f"{namespace}/{of.name}"), None)

    measured = until(lambda: start(workload), 60, "a start in the decision log")["start"]
    spans = {each["part"]: each for each in measured["spans"]}
    print(json.dumps(measured, indent=1))
    assert measured["serving_seconds"] is not None
    assert {"node", "image", "warmup"} <= spans.keys()
    assert spans["image"]["path"] in ("pulled", "present"), "from the kubelet's Event"
    if spans["node"]["path"] != "existing":
        assert "gpu" in spans
    seconds = {part: each["end_seconds"] - each["begin_seconds"] for part, each in spans.items()}
    assert all(0.0 <= each <= 60.0 for each in seconds.values()), seconds
    assert until(lambda: (now := condition()) and now["status"] == "True", 60, "the condition to be True")
    said = until(lambda: start(staged), 60, "a start of an engine that says its stages")["start"]["spans"]
    seconds = {each["part"]: each["end_seconds"] - each["begin_seconds"] for each in said}
    assert {"process", "load", "compile", "graphs", "probe"} <= seconds.keys(), said
    assert all(1.0 <= seconds[part] <= 8.0 for part in ("load", "compile", "graphs")), seconds
    for each in (workload, staged):
        each.delete()
