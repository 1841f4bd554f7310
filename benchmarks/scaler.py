"""How long KEDA waits for a value at 1,000 ScaledObjects while the loop decides: `python -m benchmarks.scaler`.

The server and the loop share one event loop, as they do live; the client is a process of its own. Calls to our
GetMetrics, to a handler that does nothing and, where Go can build it, to the least scaler in Go (`scaler.go`) take turns, 200
of each a second, so all meet the same load, and 1,000 activity streams are open to ours. Takes about 40 s.
"""

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import grpc
from rich.console import Console
from rich.table import Table

from autoscaler.clock import WallClock
from autoscaler.scaler.board import Board
from autoscaler.scaler.externalscaler_pb2 import GetMetricsRequest, GetMetricsResponse, ScaledObjectRef
from autoscaler.scaler.externalscaler_pb2_grpc import ExternalScalerStub
from autoscaler.scaler.server import OPTIONS, ScalerServer
from autoscaler.scaler.servicer import METRIC
from benchmarks import goals
from policies.engine import GRID_SECONDS, step
from policies.model import Engine, Inputs, Mode, PodSample, Policy, Signal, State
from policies.supply import ColdStart, Role, Stage, StageName, Supply, Unit

POLICIES = 1000
PODS = 4
CALLS_PER_SECOND = 200  # of each kind
WARM_UP_CALLS = 200  # of each kind
NAMES = tuple(f"p{i}" for i in range(POLICIES))
STAGE = Stage(30.0, 60.0)
COLD_START = ColdStart(STAGE, STAGE, STAGE, STAGE)
GO_SOURCE = Path(__file__).with_name("scaler.go")
GO_MODULE = Path(__file__).parents[1] / "tests/e2e/modules/keda"
GO = {
    "CGO_ENABLED": "0",
    "GOFLAGS": "-buildvcs=false -trimpath -mod=readonly",
    "GOPROXY": "off",
    "GOTOOLCHAIN": "local",
    "GOWORK": "off",
}
LOADS = {"idle": 6.0, "every 15 s": 15.0, "without pause": 6.0}  # of the loop; seconds that it is measured


@dataclass
class Loop:
    """Decides all policies over and over, and yields after each."""

    board: Board
    clock: WallClock
    decisions: int = 0
    busy_seconds: float = 0.0

    def __post_init__(self) -> None:
        self._policy = Policy(
            name="bench/p",
            mode=Mode.ACTIVE,
            signal=Signal.WORK,
            min_replicas=1,
            max_replicas=64,
            queue_wait_seconds=5.0,
            attainment=0.99,
            engine=Engine(3500.0, 0.0016, 0.85, 48.0),
            hold_seconds=None,
            scale_up_replicas_per_minute=None,
            scale_down_percent_per_minute=25.0,
            max_prepared_nodes=2,
            gpus_per_replica=1,
            price_per_gpu_hour=0.8,
        )
        self._states = dict.fromkeys(NAMES, State())
        self._tick = 0

    async def run(self, pause_seconds: float) -> None:
        """Decide all, pause, and again."""
        while True:
            await self.round()
            await asyncio.sleep(pause_seconds)

    async def round(self) -> None:
        """One decision of each policy, on the grid of a time of its own."""
        self._tick += 1
        for name in NAMES:
            started = time.perf_counter()
            result = step(self._policy, self._states[name], inputs(self._tick))
            self._states[name] = result.state
            if result.plan is not None:
                self.board.publish(f"bench/{name}", result.plan.desired_replicas, self.clock.now())
            self.decisions += 1
            self.busy_seconds += time.perf_counter() - started
            await asyncio.sleep(0)


def inputs(tick: int) -> Inputs:
    """Four pods under a steady load of 1.5 requests a second each."""
    now = 1_700_000_010.0 + tick * GRID_SECONDS
    requests = 1.5 * tick * GRID_SECONDS
    sample = PodSample(
        pod="",
        at_seconds=now - 1.0,
        started_seconds=1_699_990_000.0,
        running=20.0,
        waiting=1.0,
        finished_total=requests,
        rejected_total=0.0,
        prompt_tokens_total=800.0 * requests,
        cached_prompt_tokens_total=0.0,
        generation_tokens_total=200.0 * requests,
        request_prompt_tokens_sum=800.0 * requests,
        request_prompt_tokens_count=requests,
        request_generation_tokens_sum=200.0 * requests,
        request_generation_tokens_count=requests,
    )
    names = tuple(f"pod-{i}" for i in range(PODS))
    units = tuple(Unit(name, Role.REPLICA, tuple(StageName)) for name in names)
    samples = tuple(replace(sample, pod=name) for name in names)
    return Inputs(now, True, samples, Supply(PODS, units), COLD_START)


async def serve_nothing() -> tuple[grpc.aio.Server, int]:
    """A server whose one handler returns a constant."""
    nothing = GetMetricsResponse()

    async def answer(request: GetMetricsRequest, context: object) -> GetMetricsResponse:  # noqa: ARG001
        return nothing

    handler = grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=GetMetricsRequest.FromString,
        response_serializer=GetMetricsResponse.SerializeToString,
    )
    server = grpc.aio.server(options=OPTIONS)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("externalscaler.ExternalScaler", {"GetMetrics": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, port


async def ask(ports: list[int], seconds: float) -> list[list[float]]:
    """The client: milliseconds that each call took, one list for each port; the first one's streams are open."""
    channels = [grpc.aio.insecure_channel(f"127.0.0.1:{port}") for port in ports]
    stubs = [ExternalScalerStub(channel) for channel in channels]
    refs = [ScaledObjectRef(name="so", namespace="bench", scalerMetadata={"policy": name}) for name in NAMES]
    streams = [stubs[0].StreamIsActive(ref) for ref in refs]
    await asyncio.gather(*(stream.read() for stream in streams))
    took: list[list[float]] = [[] for _ in ports]

    async def call(i: int) -> None:
        which = i % len(ports)
        request = GetMetricsRequest(scaledObjectRef=refs[i // len(ports) % POLICIES], metricName=METRIC)
        started = time.perf_counter()
        await stubs[which].GetMetrics(request)
        if i >= WARM_UP_CALLS * len(ports):
            took[which].append((time.perf_counter() - started) * 1000)

    start, calls = time.perf_counter(), (WARM_UP_CALLS + int(seconds * CALLS_PER_SECOND)) * len(ports)
    async with asyncio.TaskGroup() as group:
        for i in range(calls):
            await asyncio.sleep(max(0.0, start + i / (CALLS_PER_SECOND * len(ports)) - time.perf_counter()))
            group.create_task(call(i))
    for channel in channels:
        await channel.close()
    return took


async def measure(ports: list[int], seconds: float) -> list[list[float]]:
    """`ask` in a process of its own."""
    arguments = ("-m", "benchmarks.scaler", "client", json.dumps(ports), str(seconds))
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    if process.returncode:
        raise SystemExit("the client failed")
    took: list[list[float]] = json.loads(out)
    return took


def percentiles(took: list[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(took, n=100)
    return cuts[49], cuts[98]


@contextmanager
def go_scaler() -> Iterator[int | None]:
    """The port of the least scaler in Go; None where it cannot be built from what Go has in its cache."""
    if shutil.which("go") is None:
        print("no scaler in Go beside it: go is not installed")
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        # KEDA's module has its protocol and gRPC. Nothing is fetched: make e2e does that.
        command = ("go", "build", "-o", f"{folder}/scaler", GO_SOURCE)
        built = subprocess.run(command, cwd=GO_MODULE, env=os.environ | GO, capture_output=True, text=True, check=False)
        if built.returncode:
            last = (built.stderr.strip().splitlines() or ["go build failed"])[-1]
            print(f"no scaler in Go beside it: make e2e fetches what it needs ({last})")
            yield None
            return
        with subprocess.Popen([f"{folder}/scaler"], stdout=subprocess.PIPE, text=True) as running:
            try:
                assert running.stdout is not None
                yield int(running.stdout.readline())
            finally:
                running.kill()


async def main(go_port: int | None) -> None:
    clock = WallClock()
    board = Board(clock)
    board.know(f"bench/{name}" for name in NAMES)
    loop = Loop(board, clock)
    for _ in range(2):  # the filters fill
        await loop.round()
    scaler = ScalerServer(board, clock, bind="127.0.0.1:0")
    nothing, nothing_port = await serve_nothing()
    ports = {"GetMetrics": await scaler.start(), "empty": nothing_port} | ({"Go": go_port} if go_port else {})
    table = Table(
        title=f"{POLICIES:,} ScaledObjects; a decision takes {loop.busy_seconds / loop.decisions * 1000:.2f} ms"
    )
    for heading in ("loop decides", "handler", "calls", "p50, ms", "p99, ms"):
        table.add_column(heading, justify="left" if heading in ("loop decides", "handler") else "right")
    p50, p99 = dict[tuple[str, str], float](), dict[tuple[str, str], float]()
    for load, seconds in LOADS.items():
        pause = {"every 15 s": GRID_SECONDS, "without pause": 0.0}.get(load)
        deciding = None if pause is None else asyncio.create_task(loop.run(pause))
        for handler, took in zip(ports, await measure(list(ports.values()), seconds), strict=True):
            place = load, handler
            p50[place], p99[place] = percentiles(took)
            table.add_row(load, handler, str(len(took)), f"{p50[place]:.2f}", f"{p99[place]:.2f}")
        if deciding:
            deciding.cancel()
    Console().print(table)
    ratios = {
        f"{cut} {load}, times {whose}": found[load, "GetMetrics"] / found[load, handler]
        for cut, found in (("p50", p50), ("p99", p99))
        for load in LOADS
        for whose, handler in (("an empty handler's", "empty"), ("a Go scaler's", "Go"))
        if handler in ports
    }
    goals.show("scaler", ratios, "Ours, with what runs beside it under the same load")
    await scaler.stop()
    await nothing.stop(None)


if __name__ == "__main__":
    if sys.argv[1:2] == ["client"]:
        print(json.dumps(asyncio.run(ask(json.loads(sys.argv[2]), float(sys.argv[3])))))
    else:
        with go_scaler() as port:
            asyncio.run(main(port))
