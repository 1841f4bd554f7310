"""The `/metrics` page of many vLLM pods, on one real HTTP server; and `/readiness/stages` of those that a test gives a stage.

The page is the simulated cluster's, whose series are held to a real server's. What it does not do:
- serve requests: running, waiting and the counters are what the test sets;
- have the other 90 families, histograms' buckets or `_created` series (the recorded bodies in test_vllm.py do);
- refuse connections before it is ready, sleep, drain or die by itself;
- use compression.
"""

import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer

from autoscaler.kube.objects import Key
from autoscaler.sources.scrape import Address
from policies.model import PodSample
from replay.simcluster import vllm
from tests.support.http_faults import Handler


def body(running: float = 0, waiting: float = 0, done: float = 10, engines: int = 1, awake: int = 1) -> bytes:
    """A small `/metrics` body. All is per engine; `done` requests of 1,000 prompt and 200 generated tokens have finished."""
    sample = PodSample(
        pod="",
        at_seconds=0.0,
        started_seconds=1.7e9,
        asleep=not awake,
        running=float(running),
        waiting=float(waiting),
        finished_total=float(done),
        rejected_total=0.0,
        prompt_tokens_total=1000.0 * done,
        cached_prompt_tokens_total=0.0,
        generation_tokens_total=200.0 * done,
        request_prompt_tokens_sum=1000.0 * done,
        request_prompt_tokens_count=float(done),
        request_generation_tokens_sum=200.0 * done,
        request_generation_tokens_count=float(done),
        first_tokens_total=float(done),
    )
    lines = []
    for line in vllm.page(sample, "m").splitlines(keepends=True):
        own = range(engines if 'engine="0"' in line else 1)  # a data-parallel server has a series for each engine
        lines += [line.replace('engine="0"', f'engine="{engine}"') for engine in own]
    return "".join(lines).encode()


class FakeVllm:
    """Set `bodies` or `faults` by pod; read how often each was asked in `asked`, and the last headers in `headers`.

    With a `bearer` token, a request without it is refused.
    """

    def __init__(self, base: str) -> None:
        self.base = base
        self.bodies: dict[str, bytes] = {}
        self.faults: dict[str, Handler] = {}
        self.asked: Counter[str] = Counter()
        self.stages: dict[str, bytes | Handler] = {}  # without one, 404 as from every release
        self.asked_stage: Counter[str] = Counter()
        self.bearer = ""
        self.headers: Mapping[str, str] = {}
        self.at_once = 0
        self.most_at_once = 0

    def url(self, pod: str) -> str:
        return f"{self.base}/{pod}/metrics"

    def addresses(self, *pods: str) -> dict[Key, Address]:
        return {Key("ns", pod): Address((self.url(pod),)) for pod in pods}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        pod = request.match_info["pod"]
        self.asked[pod] += 1
        self.headers = request.headers
        if self.bearer and request.headers.get("Authorization") != f"Bearer {self.bearer}":
            return web.Response(status=401, text="no token, no metrics")
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if fault := self.faults.get(pod):
                return await fault(request)
            return web.Response(body=self.bodies.get(pod, body()), content_type="text/plain")
        finally:
            self.at_once -= 1

    async def answer_stage(self, request: web.Request) -> web.StreamResponse:
        pod = request.match_info["pod"]
        self.asked_stage[pod] += 1
        self.headers = request.headers
        if self.bearer and request.headers.get("Authorization") != f"Bearer {self.bearer}":
            return web.Response(status=401)
        found = self.stages.get(pod)
        if found is None:
            return web.json_response({"detail": "Not Found"}, status=404)
        return (
            web.Response(body=found, content_type="application/json")
            if isinstance(found, bytes)
            else await found(request)
        )


def stage_body(stage: str) -> bytes:
    """An answer of `/readiness/stages`, as it is proposed."""
    return json.dumps({"stage": stage, "model_ready": stage == "model_ready", "residual_delay_s": 56.0}).encode()


@asynccontextmanager
async def fake_vllm(tls: ssl.SSLContext | None = None) -> AsyncIterator[FakeVllm]:
    application = web.Application()
    server = TestServer(application, scheme="http" if tls is None else "https")
    fake = FakeVllm("")
    application.router.add_get("/{pod}/metrics", fake.answer)
    application.router.add_get("/{pod}/readiness/stages", fake.answer_stage)
    await server.start_server(shutdown_timeout=0.01, ssl=tls)
    fake.base = str(server.make_url("")).rstrip("/")
    try:
        yield fake
    finally:
        await server.close()
