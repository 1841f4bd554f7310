import asyncio
import re
from typing import Literal

import aiohttp
import pytest

from tests.standin.cluster import LLM, PORT, STEADY, Json, Rig, pod_path, spec, steady

OTHER = "/workloads/ns/other"


def value(page: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)}(?:{{[^}}]*}})? (\S+)$", page, re.MULTILINE)
    assert found, name
    return float(found[1])


async def test_a_ready_pod_serves_the_traffic_and_its_figures(rig: Rig) -> None:
    await rig.put(spec(traffic=steady(rate=5.0, requests_per_second=1)))
    await rig.bind("a")
    await rig.later(9)
    status, page = await rig.page("a")
    assert status == 200
    arrived = value(page, "vllm:num_requests_running") + value(page, "vllm:num_requests_waiting")
    assert arrived == 46  # in 45 s
    await rig.later(91)
    _, page = await rig.page("a")
    assert value(page, "vllm:request_generation_tokens_count") > 450
    report = await rig.report()
    assert report["score"]["requests"] == 501
    assert 0.5 < report["score"]["share_within_5s"] < 1.0
    assert report["now_seconds"] == rig.clock.now()


async def test_before_and_after_the_traffic_the_gauges_are_idle(rig: Rig) -> None:
    await rig.put()
    await rig.bind("a")
    await rig.later(10)
    _, idle = await rig.page("a")
    assert value(idle, "vllm:num_requests_running") == 0
    await rig.put(spec(traffic=steady(duration_seconds=20.0)))
    await rig.later(60)
    _, after = await rig.page("a")
    await rig.later(60)
    assert (await rig.page("a"))[1] == after
    assert value(after, "vllm:num_requests_running") == 0
    assert value(after, "vllm:request_prompt_tokens_sum") == 40 * 500


@pytest.mark.parametrize(("epoch_ago_seconds", "age_seconds"), [(None, 45), (100, 5 * 109 - 100)])
async def test_the_process_is_dated_in_engine_time(
    rig: Rig, epoch_ago_seconds: float | None, age_seconds: float
) -> None:
    epoch_seconds = None if epoch_ago_seconds is None else rig.clock.now() - epoch_ago_seconds
    began = await rig.put(spec(traffic=steady(rate=5.0) | {"epoch_seconds": epoch_seconds}))
    await rig.bind("a")
    await rig.later(9)
    _, page = await rig.page("a")
    assert value(page, "process_start_time_seconds") - began["started_seconds"] == age_seconds


class Counted(asyncio.Event):
    """Counts those who wait for it."""

    waiting = 0

    async def wait(self) -> Literal[True]:
        self.waiting += 1
        return await super().wait()


async def test_faults_come_and_go(rig: Rig) -> None:
    await rig.put()
    await rig.bind("a")
    await rig.later(9)

    async def set_fault(fault: str) -> None:
        assert (await rig.control.put(f"{LLM}/faults", json={"metrics": fault})).status == 200

    await set_fault("refuse")
    with pytest.raises(aiohttp.ClientConnectorError):
        await rig.page("a")
    await set_fault("error")
    assert (await rig.page("a"))[0] == 500
    await set_fault("hang")
    workload = rig.workloads.of(rig.pod("a"))
    assert workload is not None
    workload.fault_changed = held = Counted()
    asked = asyncio.create_task(rig.page("a"))
    async with asyncio.timeout(10):
        while not held.waiting:  # noqa: ASYNC110 - nothing signals that a request has arrived
            await asyncio.sleep(0.01)
    assert not asked.done()
    await set_fault("ok")
    assert (await asked)[0] == 200  # the connection is dropped, and the client asks again


async def test_a_pod_that_comes_up_while_all_refuse_refuses(rig: Rig) -> None:
    await rig.put()
    await rig.control.put(f"{LLM}/faults", json={"metrics": "refuse"})
    await rig.bind("a")
    await rig.later(9)
    assert rig.stage("a") == "Ready"
    with pytest.raises(aiohttp.ClientConnectorError):
        await rig.page("a")
    await rig.control.put(f"{LLM}/faults", json={"metrics": "ok"})
    assert (await rig.page("a"))[0] == 200


async def test_a_pod_that_drains_refuses(rig: Rig) -> None:
    await rig.put(spec(traffic=steady()))
    await rig.bind("a")
    await rig.later(20)
    rig.kube.ask_deletion(pod_path("a"))
    await rig.later(0.1)
    assert rig.stage("a") == "Ready"
    with pytest.raises(aiohttp.ClientConnectorError):
        await rig.page("a")


async def test_a_second_put_starts_the_traffic_anew_and_keeps_the_pods(rig: Rig) -> None:
    first = await rig.put(spec(traffic=steady()))
    await rig.bind("a")
    await rig.later(30)
    second = await rig.put(spec(traffic=steady()))
    assert second["started_seconds"] == first["started_seconds"] + 30
    assert rig.stage("a") == "Ready"
    _, page = await rig.page("a")
    assert value(page, "vllm:request_prompt_tokens_count") == 0
    await rig.later(10)
    assert (await rig.report())["score"]["requests"] == 21


async def test_a_workload_that_is_put_after_its_pods_gets_them(rig: Rig) -> None:
    await rig.bind("a")
    await rig.later(1)
    assert "podIP" not in rig.pod("a")["status"]
    await rig.put()
    await rig.later(0.1)
    assert (await rig.page("a"))[0] == 200
    assert (await rig.report())["pods"]["a"]["ready"] is not None


async def test_a_deleted_workload_is_unknown_and_its_pods_stop_serving(rig: Rig) -> None:
    await rig.put()
    await rig.bind("a")
    await rig.later(9)
    assert (await rig.control.delete(LLM)).status == 200
    assert (await rig.control.get(LLM)).status == 404
    await rig.later(0.1)
    with pytest.raises(aiohttp.ClientConnectorError):
        await rig.page("a")


async def test_two_workloads_are_apart(rig: Rig) -> None:
    await rig.put(spec(traffic=steady()))
    await rig.put(spec(selector={"app": "other"}, image_seconds=1, port=PORT + 1), OTHER)
    await rig.bind("a")
    await rig.later(9)
    await rig.bind("b", app="other")
    assert rig.stage("b") == "Running"  # one image, which is there already
    await rig.later(5)
    assert list((await rig.report(OTHER))["pods"]) == ["b"]
    assert list((await rig.report())["pods"]) == ["a"]
    assert (await rig.report(OTHER))["score"]["requests"] == 0


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"port": None}, "port"),
        ({"selector": {}}, "selector"),
        ({"image_seconds": -1}, "image_seconds"),
        ({"wamup_seconds": 1}, "wamup_seconds"),
        ({"hardware": "abacus"}, "no hardware 'abacus'; available: 8b-l4"),
        ({"traffic": {"rate": 0, "steady": STEADY, "duration_seconds": 5}}, "traffic.rate"),
        ({"traffic": {"rate": 5}}, "either trace or steady"),
        ({"traffic": {"steady": STEADY}}, "duration_seconds"),
        ({"traffic": {"trace": "/no/such.csv"}}, "/no/such.csv"),
        ({"traffic": {"trace": "sample:no-such"}}, "no sample 'no-such'; available: office-morning"),
        ({"traffic": {"trace": "sample:office-morning", "duration_seconds": 1e9}}, "choose one inside"),
    ],
)
async def test_a_bad_workload_is_refused_with_the_reason(rig: Rig, body: Json, said: str) -> None:
    answer = await rig.control.put(LLM, json=spec() | body)
    assert answer.status == 400
    assert said in (await answer.json())["error"]
    assert (await rig.control.get(LLM)).status == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("PUT", LLM, b"{", 400, "not JSON"),
        ("PUT", LLM, b"[]", 400, "body"),
        ("GET", LLM, b"", 404, "no workload ns/llm"),
        ("DELETE", LLM, b"", 404, "no workload ns/llm"),
        ("PUT", f"{LLM}/faults", b'{"metrics": "ok"}', 404, "no workload ns/llm"),
        ("PUT", f"{OTHER}/faults", b'{"metrics": "sulk"}', 400, "'ok', 'refuse', 'hang' or 'error'"),
        ("GET", "/nowhere", b"", 404, "/nowhere"),
    ],
)
async def test_a_bad_request_is_refused_with_the_reason(
    rig: Rig, method: str, path: str, body: bytes, status: int, said: str
) -> None:
    await rig.put(path=OTHER)
    answer = await rig.control.request(method, path, data=body)
    assert answer.status == status
    assert said in (await answer.json())["error"]


async def test_health_is_503_while_the_api_is_away(rig: Rig) -> None:
    assert (await rig.control.get("/healthz")).status == 200
    rig.kube.go_away()
    await rig.later(0.1)
    assert (await rig.control.get("/healthz")).status == 503


async def test_a_trace_starts_where_the_request_says(rig: Rig) -> None:
    traced = {"rate": 5, "trace": "sample:office-morning", "duration_seconds": 100}
    requests = []
    for changes in ({}, {"scale": 3}, {"start_seconds": 0}):  # 0 is at 09:00 a week before the sample's own window
        await rig.put(spec(traffic=traced | changes))
        await rig.later(30)
        requests.append((await rig.report())["score"]["requests"])
    assert requests[1] > 2 * requests[0] > 200
    assert requests[2] not in (0, requests[0])
