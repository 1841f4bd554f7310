"""The scenario that a workload's engines serve."""

from dataclasses import replace

import numpy as np

from replay.commands.arguments import named
from replay.scenario.build import build
from replay.scenario.hardware import HARDWARE
from replay.scenario.scenario import Hardware, Scenario
from replay.traces.trace import Requests, TraceError
from tests.e2e.standin.spec import BadRequestError, ServiceSpec, Steady, Traffic

ENGINES = 256  # more than a PodNetwork has addresses


def scenario(spec: ServiceSpec) -> Scenario:
    """The workload's traffic, or none; raises BadRequestError for a trace that gives none. Reads files: takes a while."""
    hardware = replace(HARDWARE[spec.hardware], max_nodes=ENGINES)
    traffic = spec.traffic
    if traffic is None:
        return _even(hardware, Steady(requests_per_second=1, prompt_tokens=1, output_tokens=1), 0.0)
    if traffic.steady is not None:
        return _even(hardware, traffic.steady, traffic.duration_seconds or 0.0)
    return _traced(hardware, traffic)


def after(whole: Scenario, seconds: float) -> Scenario:
    """A scenario without the requests that come before that second."""
    every, late = whole.requests, whole.requests.arrival_s >= seconds
    requests = Requests(every.arrival_s[late], every.prompt_tokens[late], every.output_tokens[late])
    return replace(whole, requests=requests)


def _even(hardware: Hardware, steady: Steady, duration_seconds: float) -> Scenario:
    requests = round(duration_seconds * steady.requests_per_second)
    return Scenario(
        name="steady",
        start_seconds=0.0,
        duration_seconds=duration_seconds,
        requests=Requests(
            np.arange(requests) / steady.requests_per_second,
            np.full(requests, steady.prompt_tokens, np.int64),
            np.full(requests, steady.output_tokens, np.int64),
        ),
        past=None,
        hardware=hardware,
        seed=0,
        initial_replicas=0,
    )


def _traced(hardware: Hardware, traffic: Traffic) -> Scenario:
    try:
        trace, start_seconds, duration_seconds = named(traffic.trace or "")
        return build(
            trace,
            scale=traffic.scale,
            start_seconds=start_seconds if traffic.start_seconds is None else traffic.start_seconds,
            duration_seconds=traffic.duration_seconds or duration_seconds,
            past="none",
            hardware=hardware,
            seed=traffic.seed,
            initial_replicas=0,
        )
    except (ValueError, TraceError, OSError) as error:
        raise BadRequestError(f"traffic: {error}") from error
