"""KEDA and the HPA scale to exactly the decision, whichever way it reaches them.

The ScaledObjects are those that `outrider scaledobject` prints. Policies cannot ask for zero replicas yet, so scaling
to and from zero is tested with the same manifest and its minimum set to 0: the contract allows it, policies do not yet.
"""

import time
from collections.abc import Sequence
from functools import partial

from autoscaler.kube.objects import condition
from autoscaler.scaler.tls import Tls
from tests.e2e.harness import Cluster, until
from tests.e2e.harness.api import Json
from tests.e2e.harness.cluster import HPA_SYNC_SECONDS
from tests.e2e.harness.outrider import POLLING_SECONDS, scaled_objects
from tests.e2e.harness.scripted import ScriptedScaler
from tests.e2e.harness.target import Target, client_secret, followed, landing, ready

DECISIONS = (3, 10, 11, 37, 38, 2, 0, 5)  # 38 is 37 and 2.7 %, which an HPA of 10 % tolerance ignores
POLLS = 10  # of 2 s: less than the 30 s after which KEDA polls by itself


def patched(manifests: list[Json], trigger: str = "external-push", **spec: object) -> list[Json]:
    """The same with this type of trigger and these fields of the ScaledObject's spec."""
    manifests[-1]["spec"].update(spec)
    manifests[-1]["spec"]["triggers"][0]["type"] = trigger
    return manifests


def test_up_down_to_zero_and_back(cluster: Cluster, namespace: str, scaler: ScriptedScaler) -> None:
    """Three Deployments follow the same decisions side by side: by push, by push over mTLS, and by polling alone."""
    push, mtls, poll = targets = [Target(cluster.api, namespace, name) for name in ("push", "mtls", "poll")]
    plain = scaler.serve()
    secured = scaler.serve(Tls(*cluster.identity("scaler"), client_ca=cluster.authority))
    client_secret(cluster.api, namespace, "scaler-client", cluster.authority, cluster.identity("scaler-client"))
    for target in targets:
        scaler.decide(target.key, 1)
        target.create(replicas=1)
    cluster.api.apply(*patched(scaled_objects(push.policy, plain), minReplicaCount=0))
    cluster.api.apply(*patched(scaled_objects(mtls.policy, secured, "--tls", "scaler-client"), minReplicaCount=0))
    cluster.api.apply(*patched(scaled_objects(poll.policy, plain), "external", minReplicaCount=0))
    until(lambda: all(map(followed, targets)), 60, "three HPAs that have their metric")
    until(lambda: scaler.streams == 2, 60, "a stream for each push")

    print(f"{'decision':>10}  {'push':>6}  {'mtls':>6}  {'poll':>6}")
    before, awake = 1, list[float]()
    for desired in DECISIONS:
        for target in targets:
            scaler.decide(target.key, desired)
        seconds = landing(dict.fromkeys(targets, desired))
        print(f"{before:>4} -> {desired:>2}  " + "  ".join(f"{seconds[target]:4.1f} s" for target in targets))
        if before and desired:
            awake += seconds.values()
        before = desired
    print(f"from one count to another at most {max(awake):.1f} s; the HPA looks every {HPA_SYNC_SECONDS:g} s")

    for target in targets:
        asked = ("get", "hpa", f"keda-hpa-{target.name}", "-n", namespace, "--no-headers")
        shown = "1/1 (avg)   1     64    5"  # the metric is shown per replica
        until(partial(_prints, cluster, asked, shown), 20, shown)
        print(cluster.kubectl(*asked).strip())
        assert condition(target.hpa(), "AbleToScale") is not None
        assert followed(target)
        assert ready(target)


def _prints(cluster: Cluster, asked: Sequence[str], shown: str) -> bool:
    return shown in cluster.kubectl(*asked)


def test_from_zero_by_push_at_once_and_else_within_a_poll(
    cluster: Cluster, namespace: str, scaler: ScriptedScaler
) -> None:
    """With the next poll ten minutes away only the stream can have brought it; the other has no stream, so a poll has."""
    push, poll = targets = [Target(cluster.api, namespace, name) for name in ("push", "poll")]
    address = scaler.serve()
    for target in targets:
        scaler.decide(target.key, 0)
        target.create(replicas=0)
    cluster.api.apply(*patched(scaled_objects(push.policy, address), minReplicaCount=0, pollingInterval=600))
    cluster.api.apply(*patched(scaled_objects(poll.policy, address), "external", minReplicaCount=0))
    until(lambda: all(map(ready, targets)) and scaler.streams == 1, 60, "two ready ScaledObjects and one stream")
    landing(dict.fromkeys(targets, 0))  # past the first poll, which comes with the stream

    began = time.monotonic()
    for target in targets:
        scaler.decide(target.key, 5)
    woken: dict[Target, float] = {}
    whole: dict[Target, float] = {}

    def all_there() -> bool:
        for target in targets:
            replicas, seconds = target.replicas, time.monotonic() - began
            if replicas:
                woken.setdefault(target, seconds)
            if replicas == 5:
                whole.setdefault(target, seconds)
        return len(whole) == len(targets)

    until(all_there, 60, "5 replicas of each")
    landing(dict.fromkeys(targets, 5))
    for target in targets:
        print(f"{target.name}: 0 -> 5 in {whole[target]:.1f} s, the first after {woken[target]:.1f} s")
    assert scaler.streams == 1
    assert woken[poll] < POLLS * POLLING_SECONDS
