"""The serving fleet: the kernel's arrays, and who is in them."""

import math
from collections.abc import Sequence

import numpy as np

from replay.scenario.scenario import Hardware, Scenario
from replay.sim import kernel
from replay.sim.readings import Readings, Serves
from replay.sim.under_way import UnderWay
from replay.sim.views import Passed, RequestLog, Waits


def engine_of(hardware: Hardware) -> kernel.Engine:
    """One replica on that hardware."""
    return kernel.Engine(
        hardware.prefill_tokens_per_second,
        hardware.prefill_max_share,
        hardware.step_base_seconds,
        hardware.step_sequence_seconds,
        hardware.max_num_seqs,
        hardware.kv_tokens,
    )


class Serving:
    """Replicas that serve a scenario's requests, `slots` at the most, by default as its nodes hold.

    Times are Unix seconds; `pod` is a pod's ordinal.
    """

    def __init__(self, scenario: Scenario, slots: int | None = None) -> None:
        hardware = scenario.hardware
        slots = hardware.max_nodes * hardware.replicas_per_node if slots is None else slots
        self._start_seconds = scenario.start_seconds
        self._engine = engine_of(hardware)
        self._requests = UnderWay(scenario.requests)
        self._fleet = kernel.rows(kernel.Replica, slots)
        self._ends = kernel.rows(kernel.End, slots, hardware.max_num_seqs)
        self._slots: dict[int, int] = {}  # pod -> row of the fleet, in order of readiness
        self._serving = np.array([], np.int64)  # these rows
        self._now_s = 0.0

    def advance(self, to_seconds: float) -> None:
        """Serve up to and including that time. At the start itself nothing is routed yet: replicas may still join."""
        to_s = to_seconds - self._start_seconds
        if to_s <= 0.0:
            return
        while len(self._serving) and self._requests.complete_s <= to_s:
            self._serve(max(self._now_s, self._requests.complete_s))
            kernel.renumber(self._fleet, self._ends, self._serving, self._requests.load(self._now_s))
        self._serve(to_s)

    def _serve(self, to_s: float) -> None:
        it = self._requests
        it.routed = kernel.advance(
            it.rows, self._fleet, self._ends, self._engine, self._serving, it.routed, self._now_s, to_s
        )
        self._now_s = to_s

    def join(self, pod: int) -> None:
        """A replica becomes ready now, with its counters at zero."""
        slot = min(set(range(len(self._fleet))) - set(self._slots.values()))
        self._fleet[slot] = np.zeros((), self._fleet.dtype)
        self._fleet["pod"][slot] = pod
        self._fleet["clock_s"][slot] = self._now_s
        self._fleet["next_s"][slot] = math.inf
        self._fleet["prefilling"][slot] = -1
        self._slots[pod] = slot
        self._serving = np.array(list(self._slots.values()), np.int64)

    def leave(self, pod: int, grace_seconds: float) -> float:
        """A replica takes nothing new from now on and finishes what it has. Returns when it is gone."""
        slot = self._slots.pop(pod)
        self._serving = np.array(list(self._slots.values()), np.int64)
        until_s = self._now_s + grace_seconds
        end_s = kernel.drain(self._requests.rows, self._fleet, self._ends, self._engine, slot, until_s)
        return self._start_seconds + max(self._now_s, end_s)

    def cut(self, pod: int, until_seconds: float) -> None:
        """What a replica that takes nothing new has not finished by then fails."""
        self._requests.cut(pod, until_seconds - self._start_seconds)

    def readings(self, pods: Sequence[Serves]) -> Readings:
        """What the /metrics of the pods that serve say now; `pods` are these in order of readiness."""
        metrics = kernel.rows(kernel.Metrics, len(self._serving))
        kernel.show(self._fleet, self._engine, self._serving, self._now_s, metrics)
        return Readings(pods, self._start_seconds + self._now_s, metrics, self._fleet["queue_times"][self._serving])

    def passed(self, seconds: float) -> Passed:
        """What went through a gateway before the fleet in the last `seconds`, 180 at the most."""
        return self._requests.passed(self._now_s - seconds, self._now_s)

    def requests(self) -> RequestLog:
        """What became by now of the latest requests: 65,536 at least, and all that are not over."""
        return self._requests.log(self._now_s)

    def waits(self) -> Waits:
        """How long each request has waited that has arrived by now."""
        return self._requests.waits(self._now_s)
