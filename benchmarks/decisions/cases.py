"""What is played: windows of public traces, and the cold start that the replicas have. All in one table."""

import os
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pyarrow import parquet

from crds.kinds import SCALING_POLICY
from crds.notation.units import DAY_SECONDS
from crds.v1alpha1.resource import API_VERSION
from crds.workload import Workload
from replay.scenario.build import for_workload
from replay.scenario.scenario import Scenario
from replay.traces.read import read
from replay.traces.recorded import RequestTrace
from replay.traces.trace import Trace, compact, in_order

TRACES = Path(os.environ.get("OUTRIDER_SHARED", Path(__file__).parents[3] / "shared")) / "traces"
PROFILE = "8b-h100"
SPREAD = 1.51  # p95 over p50 of a stage: sigma 0.25
COLD_STARTS = {
    "240 s": {"node": 120, "image": 15, "weights": 45, "warmup": 60},  # medians in seconds
    "profile": None,  # 460 s: a plain pod on a stock node
}
MAIN, OWN = COLD_STARTS


@dataclass(frozen=True, slots=True)
class Traffic:
    """A window of a trace. The days before it are history that all contenders may use."""

    name: str
    file: str
    scale: float
    start_days: float = 0.0
    days: float | None = None  # None: to the end
    client: int | None = None  # of a trace with several: only its requests

    @property
    def path(self) -> Path:
        """Where the trace lies."""
        return TRACES / f"{self.file}.parquet"

    def trace(self) -> Trace:
        """The whole trace. Raises TraceError."""
        if self.client is None:
            return read(self.path)
        rows = parquet.read_table(self.path, filters=[("client", "=", self.client)])
        arrival_s, prompt, output = (rows[name].to_numpy() for name in ("arrival_s", "prompt_tokens", "output_tokens"))
        return RequestTrace(self.name, in_order(np.asarray(arrival_s, np.float64), compact(prompt), compact(output)))


LONG = (  # the traces that goals are set for
    Traffic("azure conv x3", "azure2024_conv_d0-3_10s", 3.0, 2.0, 1.0),
    Traffic("tenantsA x2", "servegen_large_tenantsA_d0-9_1s", 2.0, 2.0, 2.0),
    Traffic("mm x5", "servegen_mm_1d_1s", 5.0),
    Traffic("small x5", "servegen_small_all_s40_d0-8_1s", 5.0, 1.0, 1.0),
)
SMALL = (  # one replica's load at most times
    Traffic("azure conv x0.15", "azure2024_conv_d0-3_10s", 0.15, 2.0, 1.0),
    Traffic("idle tenant 139", "servegen_idle_pub_14d_requests", 1.0, 1.0, 1.0, client=139),
    Traffic("idle tenant 93", "servegen_idle_pub_14d_requests", 1.0, 8.0, 1.0, client=93),
)
OTHER = (
    Traffic("azure conv x0.6", "azure2024_conv_d0-3_10s", 0.6, 2.0, 1.0),
    Traffic("azure 2023 x10", "azure2023_conv", 10.0),
    Traffic("mooncake x10", "mooncake_conversation", 10.0),
)
WRONG_PROFILE = (  # from the second day on, so two days each
    Traffic("azure conv x1, 2 days", "azure2024_conv_d0-3_10s", 1.0, 2.0, 2.0),
    Traffic("tenantsA x1, 2 days", "servegen_large_tenantsA_d0-9_1s", 1.0, 2.0, 2.0),
)
HOUR = 1.0 / 24.0
QUICK = (  # the hours in which decisions are hardest
    Traffic("azure conv x3, 3 hours", LONG[0].file, 3.0, 2.0 + 12 * HOUR, 3 * HOUR),
    Traffic("tenantsA x2, 5 hours", LONG[1].file, 2.0, 2.0 + 21 * HOUR, 5 * HOUR),
    Traffic("mm x5, 4 hours", LONG[2].file, 5.0, 5 * HOUR, 4 * HOUR),
    Traffic("small x5, 4 hours", LONG[3].file, 5.0, 1.0 + 19 * HOUR, 4 * HOUR),
    Traffic("azure conv x0.15, 3 hours", LONG[0].file, 0.15, 2.0 + 12 * HOUR, 3 * HOUR),
    Traffic("idle tenant 139, 5 hours", SMALL[1].file, 1.0, 1.0 + 9 * HOUR, 5 * HOUR, client=139),
    *OTHER[1:],
)
TRAFFIC = {each.name: each for each in (*LONG, *SMALL, *OTHER, *WRONG_PROFILE, *QUICK)}


class Case(NamedTuple):
    """Traffic by its name, a cold start by its name, and the seed of all that is drawn."""

    traffic: str
    cold_start: str = MAIN
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.traffic}, {self.cold_start}, seed {self.seed}"


def missing() -> list[Path]:
    """The files of traces that are not there."""
    return sorted({each.path for each in TRAFFIC.values() if not each.path.is_file()})


@cache
def workload(cold_start: str = MAIN) -> Workload:
    """The default policy for an 8B model on H100s, with that cold start."""
    spec: dict[str, object] = {"target": {"name": "llm"}, "maxReplicas": 400, "profile": PROFILE}
    if medians := COLD_STARTS[cold_start]:
        spec["coldStart"] = {
            stage: {"p50": f"{p50}s", "p95": f"{round(SPREAD * p50)}s"} for stage, p50 in medians.items()
        }
    metadata = {"name": "benchmark", "namespace": "default"}
    found = SCALING_POLICY.resolve(
        {"apiVersion": API_VERSION, "kind": SCALING_POLICY.name, "metadata": metadata, "spec": spec}
    )
    assert isinstance(found, Workload), found
    return found


@lru_cache(maxsize=1)  # the next run of a process is mostly of the same case, and the longest takes 2.4 s to draw
def scenario(case: Case) -> Scenario:
    """What a case's policy meets: replicas that start as slowly as the policy says. Raises TraceError."""
    traffic, asked = TRAFFIC[case.traffic], workload(case.cold_start)
    found = for_workload(
        traffic.trace(),
        asked,
        scale=traffic.scale,
        start_seconds=traffic.start_days * DAY_SECONDS,
        duration_seconds=None if traffic.days is None else traffic.days * DAY_SECONDS,
        past="trace",
        seed=case.seed,
    )
    return replace(found, hardware=replace(found.hardware, cold_start=asked.cold_start))
