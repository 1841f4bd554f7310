"""Engines that say at which stage of their start they are, from their answers to the start in the decision log."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from autoscaler.kube.client import Kube
from crds.notation.timestamps import timestamp
from tests.autoscaler.control.controller import Controller, a_controller, spec
from tests.autoscaler.control.test_starting import POD, begin, lines
from tests.autoscaler.control.test_transport import TOKEN, config_map, secret, set_answers
from tests.support import http_faults
from tests.support.certificates import Authority, server_context
from tests.support.fake_api import FakeApi
from tests.support.fake_vllm import FakeVllm, fake_vllm, stage_body

STAGES = ("engine_init", "loading_weights", "weights_loaded", "kv_cache_ready", "graph_capture_done")


@asynccontextmanager
async def starting(api: FakeApi, kube: Kube, log: Path) -> AsyncIterator[tuple[Controller, FakeVllm]]:
    """A policy whose engines are a fake's."""
    async with fake_vllm() as fake, a_controller(api, kube, log=log, readiness_stages=True) as controller:
        await begin(controller)
        await reached_by(controller, fake, "engine")
        yield controller, fake


def port_of(fake: FakeVllm) -> int:
    return int(fake.base.rpartition(":")[2])


async def reached_by(controller: Controller, fake: FakeVllm, path: str) -> None:
    """Edit where the policy's pods are reached."""
    await controller.policy("a", spec("a", metrics={"port": port_of(fake), "path": f"/{path}/metrics"}))
    await controller.until(lambda: controller.runtime("a").workload.endpoint.path == f"/{path}/metrics")


async def pod(controller: Controller, name: str, started: float, ready: float | None = None) -> None:
    """A pod whose engine's container runs since then."""
    state = {"name": "vllm", "restartCount": 0, "state": {"running": {"startedAt": timestamp(started)}}}
    now = [] if ready is None else [{"type": "Ready", "status": "True", "lastTransitionTime": timestamp(ready)}]
    status: dict[str, Any] = {"phase": "Running", "podIP": "127.0.0.1", "conditions": now, "containerStatuses": [state]}
    about = {"metadata": {"labels": {"app": "a"}}, "spec": {"nodeName": "node"}, "status": status}
    await controller.api.put(POD.replace("a-1", name), about)


async def asked(controller: Controller, fake: FakeVllm, path: str = "engine", times: int = 3) -> None:
    before = fake.asked_stage[path]
    await controller.until(lambda: fake.asked_stage[path] >= before + times)


async def test_the_parts_of_a_warm_up_are_known(api: FakeApi, kube: Kube, tmp_path: Path) -> None:
    async with starting(api, kube, tmp_path) as (controller, fake):
        began = controller.clock.now()
        fake.stages["engine"] = stage_body(STAGES[0])
        await pod(controller, "a-1", began)
        for each in STAGES:
            fake.stages["engine"] = stage_body(each)
            await asked(controller, fake)
        await pod(controller, "a-1", began, controller.clock.now())
        await controller.until(lambda: lines(tmp_path, "start"))
        [start] = lines(tmp_path, "start")
        spans = {each["part"]: each["end_seconds"] - each["begin_seconds"] for each in start["start"]["spans"]}
        assert list(spans)[-5:] == ["process", "load", "compile", "graphs", "probe"]
        assert all(1.0 <= spans[part] <= 60.0 for part in ("load", "compile", "graphs")), spans
        before = fake.asked_stage["engine"]
        await controller.clock.advance(10.0)
        assert fake.asked_stage["engine"] == before, "it serves, and nothing is left to ask"


@pytest.mark.parametrize("answer", [None, b"<html>", stage_body("warming"), b'"' + b"x" * 5000 + b'"'])
async def test_an_engine_that_does_not_serve_it_is_asked_once_until_it_is_reached_otherwise(
    api: FakeApi, kube: Kube, tmp_path: Path, answer: bytes | None
) -> None:
    async with starting(api, kube, tmp_path) as (controller, fake):
        if answer is not None:
            fake.stages["engine"] = answer
        began = controller.clock.now()
        await pod(controller, "a-1", began)
        await asked(controller, fake, times=1)
        await controller.clock.advance(5.0)
        await pod(controller, "a-1", began, controller.clock.now())
        await pod(controller, "a-2", controller.clock.now())
        await controller.until(lambda: lines(tmp_path, "start"))
        [start] = lines(tmp_path, "start")
        assert start["start"]["spans"][-1]["part"] == "warmup"
        assert fake.asked_stage["engine"] == 1, "neither again nor of the next replica"
        await reached_by(controller, fake, "other")
        await asked(controller, fake, "other", times=1)


@pytest.mark.parametrize("fault", [http_faults.reset, http_faults.error_500, http_faults.no_http])
async def test_an_engine_that_cannot_answer_yet_is_asked_again(
    api: FakeApi, kube: Kube, tmp_path: Path, fault: http_faults.Handler
) -> None:
    async with starting(api, kube, tmp_path) as (controller, fake):
        fake.stages["engine"] = fault
        await pod(controller, "a-1", controller.clock.now())
        await asked(controller, fake)


async def test_a_pod_that_cannot_be_read_ends_nothing(api: FakeApi, kube: Kube, tmp_path: Path) -> None:
    async with starting(api, kube, tmp_path) as (controller, fake):
        fake.stages["engine"] = stage_body(STAGES[0])
        odd = {"metadata": {"labels": {"app": "a"}}, "status": {"phase": "Running", "containerStatuses": "none"}}
        await controller.api.put(POD.replace("a-1", "odd"), odd)
        await pod(controller, "a-1", controller.clock.now())
        await controller.clock.advance(5.0)
        await controller.api.remove(POD.replace("a-1", "odd"))
        await asked(controller, fake)


@pytest.mark.parametrize("trusted", [True, False])
async def test_it_is_asked_as_the_metrics_are_and_a_token_goes_only_to_a_server_whose_certificate_is_accepted(
    api: FakeApi, kube: Kube, tmp_path: Path, trusted: bool
) -> None:
    authority = Authority("the cluster's own")
    known = authority if trusted else Authority("another")
    set_answers(api, secret=secret(TOKEN), ca=config_map(known.certificate.decode()))
    tls = server_context(tmp_path, authority.issue("vllm", hosts=["127.0.0.1"]))
    async with fake_vllm(tls) as fake, a_controller(api, kube, readiness_stages=True) as controller:
        fake.bearer = TOKEN
        fake.stages["engine"] = stage_body(STAGES[0])
        await controller.target("a", 1)
        wanted = {"scheme": "https", "tls": {"caConfigMap": {"name": "ca"}}, "bearerTokenSecret": {"name": "token"}}
        await controller.policy("a", spec("a", metrics={"port": port_of(fake), "path": "/engine/metrics", **wanted}))
        await controller.decided("a")
        await pod(controller, "a-1", controller.clock.now())
        if trusted:
            await asked(controller, fake)
            assert fake.headers["Authorization"] == f"Bearer {TOKEN}"
        else:
            await controller.clock.advance(5.0)
            assert fake.asked_stage["engine"] == 0
