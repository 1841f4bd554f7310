"""What a pool refuses, and what a refusal says."""

from collections.abc import Callable

from tests.e2e.harness import until
from tests.e2e.harness.outrider import Outrider
from tests.e2e.pools.sandbox import Sandbox, granted

Starter = Callable[..., Outrider]


def test_growth_stops_at_the_limit_and_the_event_says_who_holds_what(sandbox: Sandbox, outrider: Starter) -> None:
    sandbox.pool(limits={"gpus": 2})
    chat, code = sandbox.workload("chat"), sandbox.workload("code")
    controller = outrider(namespace=None, **sandbox.clock())
    for workload in (chat, code):
        workload.scaled_by(controller)
    sandbox.needs(chat, 3)
    sandbox.until(lambda: granted(chat).get("status") == "False", "the refusal in the policy's status", 30)
    sandbox.until(lambda: "PoolRefused" in sandbox.events(chat.policy), "the Event about it", 20)
    sentence = sandbox.events(chat.policy)["PoolRefused"]
    print(sentence)
    assert granted(chat)["reason"] == "PoolGPUs"
    assert sandbox.name in sentence
    assert "limit of 2 GPUs" in sentence
    assert "search" in sentence
    assert (chat.desired(), code.desired()) == (1, 1)
    print(sandbox.cluster.kubectl("get", "gpupool", sandbox.name).strip())

    sandbox.pool(limits={"gpus": 8})
    sandbox.until(lambda: chat.ready() == 3, "the rest once the limit allows it", 90)
    until(lambda: granted(chat).get("status") == "True", 20, "the status to say so")


def test_a_policy_that_no_rule_selects_does_not_grow_and_loses_nothing(sandbox: Sandbox, outrider: Starter) -> None:
    sandbox.pool(member="another-namespace")
    workload = sandbox.workload(replicas=2)
    workload.policy["spec"]["minReplicas"] = 2
    workload.scaled_by(outrider(namespace=None, **sandbox.clock()))
    sandbox.needs(workload, 4)
    sandbox.until(lambda: granted(workload).get("reason") == "NoMember", "the refused join in its status", 30)
    print(granted(workload)["message"])
    assert (workload.desired(), workload.scale()[0]) == (2, 2)
