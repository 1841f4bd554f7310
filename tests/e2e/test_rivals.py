"""Two policies for one target on a real API server, with KEDA: the older one is followed, and nothing falls when it goes."""

import time
from collections.abc import Callable

from autoscaler.kube.objects import condition
from tests.e2e.harness import Cluster, until
from tests.e2e.harness.api import Json
from tests.e2e.harness.clock import clock_settings
from tests.e2e.harness.outrider import Outrider, scaled_objects
from tests.e2e.harness.target import HOLD_SECONDS, Target, followed

REPLICAS = 4


def test_the_newer_of_two_policies_is_refused_until_the_older_one_goes(
    cluster: Cluster, namespace: str, outrider: Callable[..., Outrider]
) -> None:
    """15 s, most of it the start of the controller and of the HPA."""
    api, target = cluster.api, Target(cluster.api, namespace, "llm")
    path = f"/apis/outrider.dev/v1alpha1/namespaces/{namespace}/scalingpolicies"
    newer: Json = {**target.policy, "metadata": {"name": "again", "namespace": namespace}}

    def status(name: str) -> Json:
        return api.get(f"{path}/{name}").get("status") or {}

    def reason(name: str) -> str:
        return next((each["reason"] for each in status(name).get("conditions", ()) if each["type"] == "Ready"), "")

    target.create(REPLICAS)
    controller = outrider(**clock_settings(time.time()))
    api.apply(target.policy)
    until(lambda: status("llm").get("desiredReplicas") == REPLICAS, 30, "a decision")
    time.sleep(1.0)  # the API dates to a second
    api.apply(newer)
    until(lambda: reason("again") == "TargetTaken", 30, "the refusal of the newer one")
    assert f"ScalingPolicy {namespace}/llm already scales this target" in status("again")["message"]
    assert condition(api.get(f"{path}/llm"), "Ready") is not None

    api.apply(*(scaled := scaled_objects(target.policy, controller.scaler_address)))
    until(lambda: followed(target), 60, "the HPA")
    api.delete(f"{path}/llm")
    until(lambda: status("again").get("desiredReplicas") == REPLICAS, 30, "a decision of the newer one")
    for one in scaled:
        if one["kind"] == "ScaledObject":
            one["spec"]["triggers"][0]["metadata"]["policy"] = "again"
    api.apply(*scaled)
    until(lambda: followed(target), 60, "the HPA to follow the newer one")
    time.sleep(HOLD_SECONDS)
    assert target.replicas == REPLICAS
