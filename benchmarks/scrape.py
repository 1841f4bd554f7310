"""What one scrape costs: `python -m benchmarks.scrape`. About 25 s.

A child process serves a page of a real one's size and make-up (600 lines, 53 kB) on an address for each of 250 pods, in two writes
as vLLM's server does, and the scraper reads each of them once a second over connections that are kept. Shown: its CPU time
for a scrape in all and for its parts alone, and how evenly the scrapes lie in time.
"""

import asyncio
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

from rich.console import Console
from rich.table import Table

from autoscaler.clock import WallClock
from autoscaler.kube.objects import Key
from autoscaler.sources import vllm
from autoscaler.sources.families import SUMMED
from autoscaler.sources.scrape import Address, Scraper
from policies.series import SLEEP_STATE

POLICIES, PODS = 50, 5  # pods of each policy
INTERVAL_SECONDS = 1.0
ROUNDS = 16
BUCKETS = 24
AIM_MILLISECONDS = 0.2
OTHERS = (
    *(f"vllm:estimated_{what}_per_gpu_total" for what in ("flops", "read_bytes", "write_bytes")),
    *(f"vllm:{cache}_{what}_total" for cache in ("prefix_cache", "mm_cache") for what in ("queries", "hits")),
    "vllm:num_requests_waiting_by_reason",
    "vllm:kv_cache_usage_perc",
    "vllm:prompt_tokens_by_source_total",
)
HISTOGRAMS = (
    "request_prompt_tokens",
    "request_generation_tokens",
    "iteration_tokens_total",
    "request_params_max_tokens",
    "time_to_first_token_seconds",
    *(f"request_{phase}_time_seconds" for phase in ("queue", "inference", "prefill", "decode", "time_per_output")),
    *("inter_token_latency_seconds", "e2e_request_latency_seconds", "request_num_preemptions"),
    *("request_params_n", "request_max_num_generation_tokens", "request_prefill_kv_computed_tokens"),
)


def page() -> bytes:
    """A page as vLLM's: 600 lines, of which 20 are read."""
    labels = 'engine="0",model_name="meta-llama/Llama-3"'
    lines = [*_head("process_start_time_seconds", "gauge"), "process_start_time_seconds 1.79525265177e+09"]
    parts = ("_sum", "_count", "_bucket")
    for family in sorted({*SUMMED.values(), *OTHERS} - {f"vllm:{name}{part}" for name in HISTOGRAMS for part in parts}):
        lines += [*_head(family, "counter"), f"{family}{{{labels}}} 8113.0"]
        lines += [*_head(f"{family}_created", "gauge"), f"{family}_created{{{labels}}} 1.7952526689505845e+09"]
    lines += _head(SLEEP_STATE, "gauge")
    lines += [f'{SLEEP_STATE}{{{labels},sleep_state="{state}"}} 1.0' for state in ("awake", "discard_all")]
    for name in HISTOGRAMS:
        lines += _head(f"vllm:{name}", "histogram")
        bounds = (*(str(2.0**power) for power in range(BUCKETS)), "+Inf")
        lines += [f'vllm:{name}_bucket{{engine="0",le="{le}",model_name="meta-llama/Llama-3"}} 11.0' for le in bounds]
        lines += [f"vllm:{name}_count{{{labels}}} 11.0", f"vllm:{name}_sum{{{labels}}} 6649.0"]
    return "\n".join(lines).encode() + b"\n"


def _head(family: str, kind: str) -> list[str]:
    return [f"# HELP {family} Histogram of what is measured, in a unit of its own.", f"# TYPE {family} {kind}"]


class _Pod(asyncio.Protocol):
    """Answers each request with the page."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._body = page()
        length, kind = len(self._body), "text/plain; version=1.0.0; charset=utf-8"
        self._head = (
            f"HTTP/1.1 200 OK\r\nserver: uvicorn\r\ncontent-length: {length}\r\ncontent-type: {kind}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        for _ in range(data.count(b"\r\n\r\n")):
            self._transport.write(self._head)
            self._transport.write(self._body)


async def serve() -> None:
    """Serve on every address of this machine until killed, and print the port."""
    server = await asyncio.get_running_loop().create_server(_Pod, "0.0.0.0", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def scrape(port: int) -> tuple[int, float, list[float]]:
    """Scrapes, their CPU seconds, and when each was done."""
    clock = WallClock()
    scraper = Scraper(clock, INTERVAL_SECONDS)
    done: list[float] = []
    scraper.subscribe(lambda _pod: done.append(clock.now()))
    scraper.targets(
        {
            Key("bench", f"m{i}-7d9f8b6c5d-x2x4{n + 2}"): Address((f"http://127.1.{i}.{n + 1}:{port}/metrics",))
            for i in range(POLICIES)
            for n in range(PODS)
        }
    )
    running = asyncio.create_task(scraper.run())
    await asyncio.sleep(2.5 * INTERVAL_SECONDS)  # connections are made
    done.clear()
    began = time.process_time()
    await asyncio.sleep(ROUNDS * INTERVAL_SECONDS)
    took = time.process_time() - began
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    if scraper.problems:
        sys.exit(f"{len(scraper.problems)} pods could not be read: {next(iter(scraper.problems.values()))}")
    return len(done), took, done


def milliseconds(call: Callable[[], object], calls: int = 2_000) -> float:
    """CPU time of one call."""
    call()
    began = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - began) / calls * 1e3


def main() -> None:
    body = page()
    server = subprocess.Popen([sys.executable, "-m", "benchmarks.scrape", "serve"], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        count, took_seconds, done = asyncio.run(scrape(int(server.stdout.readline())))
    finally:
        server.kill()
        server.wait()
    whole, parse = took_seconds / count * 1e3, milliseconds(lambda: vllm.parse(body, "m0-0", 0.0))
    table = Table(title=f"a scrape of {len(body):,} bytes: CPU ms")
    for heading in ("part", "ms", "aim"):
        table.add_column(heading, justify="right")
    late = whole >= AIM_MILLISECONDS
    table.add_row("in all", f"{whole:.3f}", f"under {AIM_MILLISECONDS:g}", style="red" if late else None)
    table.add_row("of which reading the page", f"{parse:.3f}", "")
    table.add_row("the rest: connection, tasks, slots", f"{whole - parse:.3f}", "")
    Console().print(table)
    wanted = POLICIES * PODS * ROUNDS
    tenths = Counter(int(at % INTERVAL_SECONDS / INTERVAL_SECONDS * 10) for at in done)
    pause = max((after - before for before, after in pairwise(done)), default=0.0)
    print(
        f"{count} of {wanted} scrapes; {max(tenths.values()) / count:.0%} of them in the fullest tenth of the interval;",
        end=" ",
    )
    print(f"the longest pause between two is {pause:.2f} s")


if __name__ == "__main__":
    asyncio.run(serve()) if sys.argv[1:] == ["serve"] else main()
