"""Cuts a scenario out of a trace."""

import math
from dataclasses import replace
from typing import Literal

import numpy as np

from crds.profiles import DEFAULT_PROFILE
from crds.workload import Workload
from replay.scenario.actuators import NO_ACTUATORS, Actuators
from replay.scenario.hardware import HARDWARE, hardware_of
from replay.scenario.scenario import Hardware, Scenario
from replay.traces.trace import Requests, Totals, Trace

STEP_SECONDS = 60.0  # of the past's bins
SHORTEST_SECONDS = 1.0
MOST_REQUESTS = 50_000_000  # some 10 GB of memory

PastKind = Literal["trace", "generated", "none"]


def build(
    trace: Trace,
    *,
    scale: float = 1.0,
    start_seconds: float = 0.0,
    duration_seconds: float | None = None,
    past: PastKind = "trace",
    hardware: Hardware = HARDWARE[DEFAULT_PROFILE],
    seed: int = 0,
    initial_replicas: int | None = None,
) -> Scenario:
    """Cut a scenario out of a trace, `start_seconds` into it. By default to its end, with a fleet that fits the start.

    `past="trace"` takes the trace's own traffic before the start; `"generated"` makes seven days of the window's mean
    level with a daily rhythm. Raises ValueError for a window outside the trace or without requests.
    """
    end_seconds = trace.duration_seconds if duration_seconds is None else start_seconds + duration_seconds
    if not 0.0 <= start_seconds < end_seconds <= trace.duration_seconds + 1.0:
        raise ValueError(
            f"{trace.name} lasts {trace.duration_seconds:.0f} s and has no window from {start_seconds:.0f} to "
            f"{end_seconds:.0f} s; choose one inside it"
        )
    if end_seconds - start_seconds < SHORTEST_SECONDS:
        raise ValueError(
            f"{trace.name}: {end_seconds - start_seconds:.2f} s of traffic are too short for a replay; "
            f"it needs {SHORTEST_SECONDS:g} s"
        )
    if not 0.0 < scale < math.inf:
        raise ValueError(f"scale must be above 0, not {scale}")
    expected = scale * trace.count(start_seconds, end_seconds)
    if expected > MOST_REQUESTS:
        raise ValueError(
            f"{trace.name} has {expected:,.0f} requests from {start_seconds:.0f} to {end_seconds:.0f} s; "
            f"at most {MOST_REQUESTS:,} can be replayed: choose a shorter window or a smaller scale"
        )
    found = trace.window(start_seconds, end_seconds, scale, seed)
    if len(found) == 0:
        raise ValueError(f"{trace.name} has no requests from {start_seconds:.0f} to {end_seconds:.0f} s")
    start_unix = trace.epoch_seconds + start_seconds
    before = None
    if past == "trace":
        before = _trace_past(trace, scale, start_seconds)
    elif past == "generated":
        before = _generated_past(found, end_seconds - start_seconds, start_unix, seed)
    return Scenario(
        name=trace.name if scale == 1.0 else f"{trace.name} x{scale:g}",
        start_seconds=start_unix,
        duration_seconds=end_seconds - start_seconds,
        requests=_with_tokens(found),
        past=before,
        hardware=hardware,
        seed=seed,
        initial_replicas=_fitting(found, hardware) if initial_replicas is None else initial_replicas,
        failed_requests=trace.failed_requests,
    )


def _with_tokens(requests: Requests) -> Requests:
    """Each with a token each way at least."""
    for tokens in (requests.prompt_tokens, requests.output_tokens):
        np.maximum(tokens, 1, out=tokens)
    return requests


def for_workload(
    trace: Trace,
    workload: Workload,
    *,
    scale: float,
    start_seconds: float,
    duration_seconds: float | None,
    past: PastKind,
    seed: int,
    actuators: Actuators = NO_ACTUATORS,
) -> Scenario:
    """What a workload meets: its profile's hardware, a pool that holds its maximum, a first fleet within its bounds.

    Raises ValueError as `build` does.
    """
    scenario = build(
        trace,
        scale=scale,
        start_seconds=start_seconds,
        duration_seconds=duration_seconds,
        past=past,
        hardware=hardware_of(workload),
        seed=seed,
    )
    return replace(fitted(scenario, workload), actuators=actuators)


def fitted(scenario: Scenario, workload: Workload) -> Scenario:
    """The same traffic on the hardware of a workload, with a first fleet within its bounds."""
    policy, hardware = workload.policy, hardware_of(workload)
    fleet = min(max(_fitting(scenario.requests, hardware), policy.min_replicas), policy.max_replicas)
    return replace(scenario, hardware=hardware, initial_replicas=fleet)


def _fitting(requests: Requests, hardware: Hardware) -> int:
    """Replicas that the first ten minutes need, a quarter more than their mean work."""
    first = requests.arrival_s < 600.0
    span_seconds = min(600.0, max(60.0, float(requests.arrival_s[-1])))
    prompt, output = requests.prompt_tokens[first].sum(), requests.output_tokens[first].sum()
    needed = math.ceil(1.25 * hardware.replicas(float(prompt), float(output), span_seconds))
    return min(max(1, needed), hardware.max_nodes * hardware.replicas_per_node)


def _trace_past(trace: Trace, scale: float, start_seconds: float) -> Totals | None:
    steps = math.floor(start_seconds / STEP_SECONDS)
    if steps == 0:
        return None
    first_seconds = start_seconds - steps * STEP_SECONDS
    totals = trace.totals(first_seconds, start_seconds, STEP_SECONDS)
    return Totals(
        trace.epoch_seconds + first_seconds,
        STEP_SECONDS,
        totals.requests * scale,
        totals.prompt_tokens * scale,
        totals.output_tokens * scale,
    )


def _generated_past(requests: Requests, span_seconds: float, start_unix: float, seed: int) -> Totals:
    """Seven days of the window's mean level, in a daily rhythm of half to one and a half that is at 1 at the start."""
    steps = 7 * 1440
    before_seconds = np.arange(-steps, 0) * STEP_SECONDS
    random = np.random.default_rng((seed, 7))
    rising = random.choice((-1.0, 1.0))
    rhythm = 1.0 + 0.5 * rising * np.sin(2 * np.pi * before_seconds / 86_400.0)
    counts = random.poisson(rhythm * len(requests) * STEP_SECONDS / span_seconds).astype(np.float64)
    prompt = counts * float(requests.prompt_tokens.mean())
    output = counts * float(requests.output_tokens.mean())
    return Totals(start_unix - steps * STEP_SECONDS, STEP_SECONDS, counts, prompt, output)
