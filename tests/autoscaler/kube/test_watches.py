import asyncio
import random

from autoscaler.kube.client import Kube
from autoscaler.kube.objects import key
from autoscaler.kube.watches import Watches
from crds.notation.selectors import parse
from tests.autoscaler.kube.waiting import until
from tests.autoscaler.kube.workloads import WORKLOAD, policy_object
from tests.support.fake_api import FakeApi
from tests.support.fake_clock import FakeClock

POLICY = "/apis/outrider.dev/v1alpha1/namespaces/ns/scalingpolicies/chat"
OURS = {"app.kubernetes.io/managed-by": "outrider", "outrider.dev/policy": "chat", "outrider.dev/slot": "0"}


async def test_policies_everywhere_and_pods_and_balloons_where_they_are(api: FakeApi, kube: Kube) -> None:
    await api.put(POLICY, policy_object(WORKLOAD))
    await api.put("/api/v1/namespaces/ns/pods/a", {"spec": {"nodeName": "n", "containers": [{"image": "large"}]}})
    await api.put("/apis/batch/v1/namespaces/ns/jobs/ours", {"metadata": {"labels": OURS}})
    await api.put("/apis/batch/v1/namespaces/ns/jobs/theirs", {})
    changed: list[object] = []
    watches = Watches(kube, FakeClock(), random.Random(1), None)
    watches.policies.subscribe(lambda thing: changed.append(key(thing)))
    watches.subscribe(lambda namespace, selector: changed.append((namespace, selector)))
    running = asyncio.create_task(watches.run())
    await until(lambda: watches.policies.synced)
    assert not watches.pods("ns").synced
    watches.follow(key(each)[0] for each in watches.policies)
    selector = parse("!app")
    assert watches.pods("ns").matching(selector) == ()
    await until(lambda: api.watching == 3)
    assert [key(each) for each in watches.jobs("ns")] == [("ns", "ours")]
    assert watches.pods("ns").get("ns", "a") is not None
    assert "containers" not in (watches.pods("ns").get("ns", "a") or {})["spec"]
    assert changed == [("ns", "chat"), ("ns", selector)]
    watches.follow([])
    await until(lambda: api.watching == 1)
    assert watches.namespaces == ()
    assert not watches.pods("ns").synced
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_one_namespace_only(api: FakeApi, kube: Kube) -> None:
    watches = Watches(kube, FakeClock(), random.Random(1), "ns")
    watches.follow(["ns"])
    running = asyncio.create_task(watches.run())
    await until(lambda: api.watching == 3)
    assert all("/namespaces/ns/" in each for each in api.requests)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
