"""Prometheus's data from before the scenario: series generated from past traffic."""

import numpy as np

from replay.scenario.scenario import Hardware
from replay.simcluster.series import Floats, Series
from replay.traces.trace import Totals

SAMPLES = 4  # per bin: a bin of 60 s, scraped every 15 s


def series(past: Totals, hardware: Hardware, end_seconds: float, labels: dict[str, str]) -> list[Series]:
    """One series of the whole workload for each metric that history is read from: four samples a bin, stale at the end.

    The running requests are Little's law: arrivals per second times the seconds that a request of the bin's mean size
    takes on a replica whose batch is half full. Nothing waits. Unknown bins have no samples.
    """
    at = past.start_seconds + past.step_seconds * np.arange(1, len(past.requests) + 1, dtype=np.float64)
    known = np.isfinite(past.requests) & np.isfinite(past.prompt_tokens) & np.isfinite(past.output_tokens)
    known &= at <= end_seconds
    requests, prompt, output = past.requests[known], past.prompt_tokens[known], past.output_tokens[known]
    step_seconds = hardware.step_base_seconds + hardware.step_sequence_seconds * hardware.max_num_seqs / 2
    busy_seconds = prompt / hardware.prefill_tokens_per_second + output * step_seconds
    columns = {
        "vllm:num_requests_running": np.repeat(np.round(busy_seconds / past.step_seconds, 3), SAMPLES),
        "vllm:num_requests_waiting": np.zeros(SAMPLES * len(requests)),
        "vllm:request_success_total": _counted(requests),
        "vllm:prompt_tokens_total": _counted(prompt),
        "vllm:generation_tokens_total": _counted(output),
    }
    before_end = past.step_seconds * (np.arange(SAMPLES) - (SAMPLES - 1)) / SAMPLES
    times = (at[known][:, np.newaxis] + before_end).ravel()
    return [_series(name, labels, times, column, end_seconds) for name, column in columns.items()]


def _counted(per_bin: Floats) -> Floats:
    """A counter that grows evenly within each bin."""
    return np.cumsum(np.repeat(per_bin / SAMPLES, SAMPLES))


def _series(name: str, labels: dict[str, str], times: Floats, values: Floats, end_seconds: float) -> Series:
    return Series({"__name__": name, **labels}, times.tolist(), values.tolist(), stale_seconds=end_seconds)
