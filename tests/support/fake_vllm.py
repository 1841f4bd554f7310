"""The `/metrics` page of many vLLM pods, on one real HTTP server.

What it does not do:
- serve requests: running, waiting and the counters are what the test says;
- have the other 90 families, histograms' buckets or `_created` series (the recorded bodies in test_vllm.py do);
- refuse connections before it is ready, sleep, drain or die by itself;
- speak TLS or compress.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer

from autoscaler.kube.objects import Key
from tests.autoscaler.sources.faults import Handler

# Of one finished request: 1,000 prompt tokens and 200 generated ones.
COUNTERS = {
    "vllm:prompt_tokens_total": 1000,
    "vllm:prompt_tokens_cached_total": 0,
    "vllm:generation_tokens_total": 200,
    "vllm:request_prompt_tokens_sum": 1000,
    "vllm:request_prompt_tokens_count": 1,
    "vllm:request_generation_tokens_sum": 200,
    "vllm:request_generation_tokens_count": 1,
}


def body(running: float = 0, waiting: float = 0, done: float = 10, engines: int = 1, awake: int = 1) -> bytes:
    """A small `/metrics` body. All is told per engine; `done` requests have finished."""
    lines = ["process_start_time_seconds 1.7e+09"]
    for engine in range(engines):
        labels = f'engine="{engine}",model_name="m"'
        lines += [f"vllm:num_requests_running{{{labels}}} {float(running)}"]
        lines += [f"vllm:num_requests_waiting{{{labels}}} {float(waiting)}"]
        lines += [f"{family}{{{labels}}} {float(each * done)}" for family, each in COUNTERS.items()]
        for reason, value in (("stop", done - 3), ("length", 3)):
            series = f'engine="{engine}",finished_reason="{reason}",model_name="m"'
            lines.append(f"vllm:request_success_total{{{series}}} {float(value)}")
        for state, value in (("awake", awake), ("weights_offloaded", 1 - awake), ("discard_all", 0)):
            lines.append(f'vllm:engine_sleep_state{{{labels},sleep_state="{state}"}} {float(value)}')
    lines.append('vllm:admission_rejections_total{model_name="m",reason="max_num_queued_reqs"} 0.0')
    return ("\n".join(lines) + "\n").encode()


class FakeVllm:
    """Set `bodies` or `faults` by pod; read how often each was asked in `asked`."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.bodies: dict[str, bytes] = {}
        self.faults: dict[str, Handler] = {}
        self.asked: Counter[str] = Counter()
        self.at_once = 0
        self.most_at_once = 0

    def url(self, pod: str) -> str:
        return f"{self.base}/{pod}/metrics"

    def urls(self, *pods: str) -> dict[Key, str]:
        return {Key("ns", pod): self.url(pod) for pod in pods}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        pod = request.match_info["pod"]
        self.asked[pod] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if fault := self.faults.get(pod):
                return await fault(request)
            return web.Response(body=self.bodies.get(pod, body()), content_type="text/plain")
        finally:
            self.at_once -= 1


@asynccontextmanager
async def fake_vllm() -> AsyncIterator[FakeVllm]:
    application = web.Application()
    server = TestServer(application)
    fake = FakeVllm("")
    application.router.add_get("/{pod}/metrics", fake.answer)
    await server.start_server(shutdown_timeout=0.01)
    fake.base = str(server.make_url("")).rstrip("/")
    try:
        yield fake
    finally:
        await server.close()
