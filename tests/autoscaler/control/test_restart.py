"""What a policy remembers across a restart, and what it reports where that was refused."""

import json
from pathlib import Path
from typing import Any, cast

from structlog.testing import capture_logs

from autoscaler.kube.client import Kube
from autoscaler.records.store import Loaded
from autoscaler.telemetry.metrics import REGISTRY, STATE_REFUSED
from policies.log import redecide
from policies.model import Decided, State
from tests.autoscaler.control.controller import a_controller, spec
from tests.support.fake_api import FakeApi
from tests.support.fake_prometheus import fake_prometheus

REFUSED = "ns%2Fa.json has format 2; this version reads format 1"


async def test_what_was_decided_last_is_held(api: FakeApi, kube: Kube) -> None:
    """The cluster may not have followed it yet."""
    loaded = Loaded({"ns/a": State(decided=Decided(replicas=5))})
    async with a_controller(api, kube, loaded=loaded) as controller:
        await controller.target("a", 2)
        await controller.policy("a", spec("a"))
        await controller.decided("a")
        assert controller.desired("a") == 5
        assert events(api, "StateRefused") == []


async def test_a_state_from_which_nothing_can_begin_costs_no_other_policy_a_decision(api: FakeApi, kube: Kube) -> None:
    loaded = Loaded({"ns/a": cast(State, "no state at all"), "ns/b": State(decided=Decided(replicas=3))})
    with capture_logs() as logs:
        async with a_controller(api, kube, loaded=loaded) as controller:
            for name in ("a", "b"):
                await controller.target(name, 2)
                await controller.policy(name, spec(name))
            await controller.decided("b")
            assert controller.desired("b") == 3
            assert controller.desired("a") is None
    assert [each["policy"] for each in logs if each["event"] == "policy.failed"] == ["ns/a"]


def counted(policy: str) -> float | None:
    return REGISTRY.get_sample_value("outrider_state_refused_total", {"policy": policy, "reason": "format"})


async def test_a_refused_state_is_counted_is_an_event_and_stands_in_the_status_for_its_hold(
    api: FakeApi, kube: Kube
) -> None:
    STATE_REFUSED.labels(policy="ns/a", reason="format").inc()  # as the store does
    async with a_controller(api, kube, loaded=Loaded(refused={"ns/a": REFUSED})) as controller:
        for name in ("a", "b"):
            await controller.target(name, 2)
            await controller.policy(name, spec(name))
        await controller.until(lambda: all("desiredReplicas" in controller.status(name) for name in ("a", "b")))
        sentence = (
            f"The saved state cannot be used: {REFUSED}. The file is kept with .bad added to its name, and replicas are not "
            "lowered for the first 9 min 1 s."
        )
        assert controller.status("a")["message"].endswith(sentence)
        assert "saved state" not in controller.status("b")["message"]
        await controller.until(lambda: events(api, "StateRefused"))
        assert [event["message"] for event in events(api, "StateRefused")] == [sentence]
        assert counted("ns/a") == 1.0  # following the policy forgets none of it
        await controller.clock.advance(900.0)
        await controller.until(lambda: "saved state" not in controller.status("a")["message"])
        assert len(events(api, "StateRefused")) == 1


async def test_a_refused_state_of_a_policy_that_is_gone_leaves_no_series(api: FakeApi, kube: Kube) -> None:
    STATE_REFUSED.labels(policy="ns/gone", reason="format").inc()
    async with a_controller(api, kube, loaded=Loaded(refused={"ns/gone": REFUSED})) as controller:
        await controller.policy("a", spec("a"))
        await controller.until(lambda: counted("ns/gone") is None)


async def test_a_state_that_no_decision_made_is_logged_so_that_every_decision_can_be_taken_again(
    api: FakeApi, kube: Kube, tmp_path: Path
) -> None:
    """Turning Active is as a restart, and leaves the policy as the core knows it unchanged."""
    async with a_controller(api, kube, log=tmp_path) as controller:
        await controller.target("a", 4)
        await controller.policy("a", spec("a", mode="Shadow"))
        await controller.decided("a")
        controller.sample("a-0", running=3.0)
        await controller.clock.advance(60.0)
        await controller.policy("a", spec("a"))
        await controller.until(lambda: controller.desired("a") is not None)
        await controller.clock.advance(60.0)
    lines = logged(tmp_path)
    assert [json.loads(line)["kind"] for line in lines].count("state") == 2
    again = list(redecide(lines))
    assert len(again) > 8
    assert all(item.matches for item in again)


async def test_a_history_without_rates_is_not_used_and_the_status_says_so(api: FakeApi, kube: Kube) -> None:
    """Running requests over a replica's concurrency would begin at a tenth of the demand."""
    async with fake_prometheus() as prometheus:
        prometheus.past = {"vllm:num_requests_running": lambda at: "30", "vllm:num_requests_waiting": lambda at: "0"}
        async with a_controller(api, kube, history_url=prometheus.url) as controller:
            await controller.target("a", 2)
            await controller.policy("a", spec("a"))
            await controller.decided("a")
            assert controller.runtimes["ns/a"].state.filters.level is None
            await controller.until(lambda: "History" in controller.status("a").get("message", ""))
            assert controller.runtimes["ns/a"].state.filters.level is None
            assert (
                "History before the start is incomplete: demand is known for 0 of the 10080 minutes that"
                in (controller.status("a")["message"])
            )
            await controller.clock.advance(900.0)
            await controller.until(lambda: "History" not in controller.status("a")["message"])


def logged(folder: Path) -> list[str]:
    return next(folder.iterdir()).read_text().splitlines(keepends=True)


def events(api: FakeApi, reason: str) -> list[dict[str, Any]]:
    return [body for body in api.bodies if body.get("kind") == "Event" and body["reason"] == reason]
