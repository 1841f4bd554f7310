"""The kernel's model of continuous batching in plain Python, with what comes next in a heap, or as processes of simpy.

A fleet that does not change. `replay/sim/kernel.py` explains the model.
"""

import heapq
import math
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field

import simpy

from replay.scenario.scenario import Hardware


@dataclass(slots=True)
class Request:
    """One request, and when its prefill began."""

    arrival_s: float
    prompt_tokens: float
    output_tokens: float
    admitted_s: float = math.nan


@dataclass(slots=True)
class Replica:
    """One replica. `next_s` is its next event."""

    hardware: Hardware
    clock_s: float = 0.0
    next_s: float = math.inf
    outstanding: int = 0
    _queue: deque[Request] = field(default_factory=deque)
    _prefilling: Request | None = None
    _prefill_left: float = 0.0
    _next_is_prefill: bool = False
    _decoded: float = 0.0  # tokens of each sequence
    _ends: list[tuple[float, int, Request]] = field(default_factory=list)
    _kv_tokens: float = 0.0
    _number: int = 0

    def receive(self, request: Request) -> None:
        """Take a request at its arrival; everything up to then has happened."""
        self._queue.append(request)
        self.outstanding += 1
        if self._prefilling is None and len(self._queue) == 1:
            self._move(request.arrival_s)
            self._go_on()

    def happen(self) -> None:
        """The next event."""
        self._move(self.next_s)
        if self._next_is_prefill:
            request, self._prefilling = self._prefilling, None
            assert request is not None
            if request.output_tokens <= 1:
                self._finish(request)
            else:
                self._number += 1
                heapq.heappush(self._ends, (self._decoded + request.output_tokens - 1.0, self._number, request))
        else:
            self._decoded, _, request = heapq.heappop(self._ends)
            self._finish(request)
            if not self._ends:
                self._decoded = 0.0
        self._go_on()

    def _finish(self, request: Request) -> None:
        self.outstanding -= 1
        self._kv_tokens -= request.prompt_tokens + request.output_tokens

    def _prefill_share(self) -> float:
        if self._prefilling is None:
            return 0.0
        return self.hardware.prefill_max_share if self._ends else 1.0

    def _step_seconds(self) -> float:
        return self.hardware.step_base_seconds + self.hardware.step_sequence_seconds * len(self._ends)

    def _move(self, time_s: float) -> None:
        share, since_s = self._prefill_share(), time_s - self.clock_s
        if self._prefilling is not None:
            self._prefill_left -= since_s * self.hardware.prefill_tokens_per_second * share
        if self._ends:
            self._decoded += since_s * (1.0 - share) / self._step_seconds()
        self.clock_s = time_s

    def _go_on(self) -> None:
        """Admit the head of the queue where it fits, and see what comes next."""
        if self._prefilling is None and self._queue and len(self._ends) < self.hardware.max_num_seqs:
            need = self._queue[0].prompt_tokens + self._queue[0].output_tokens
            if not self._ends or self._kv_tokens + need <= self.hardware.kv_tokens:
                self._prefilling = self._queue.popleft()
                self._prefilling.admitted_s = self.clock_s
                self._prefill_left = self._prefilling.prompt_tokens
                self._kv_tokens += need
        self.next_s, share = math.inf, self._prefill_share()
        if share > 0.0:
            left = max(0.0, self._prefill_left)
            self.next_s = self.clock_s + left / (self.hardware.prefill_tokens_per_second * share)
            self._next_is_prefill = True
        if self._ends and share < 1.0:
            left = max(0.0, self._ends[0][0] - self._decoded)
            if (end_s := self.clock_s + left * self._step_seconds() / (1.0 - share)) < self.next_s:
                self.next_s, self._next_is_prefill = end_s, False


def with_heap(requests: Iterable[Request], fleet: Sequence[Replica], end_s: float) -> None:
    """Serve all up to `end_s`. An entry whose replica has another next event by now is passed over."""
    events: list[tuple[float, int]] = []

    def until(time_s: float) -> None:
        while events and events[0][0] <= time_s:
            at_s, number = heapq.heappop(events)
            replica = fleet[number]
            if replica.next_s == at_s:
                replica.happen()
                if replica.next_s < math.inf:
                    heapq.heappush(events, (replica.next_s, number))

    for request in requests:
        until(request.arrival_s)
        number = min(range(len(fleet)), key=lambda each: fleet[each].outstanding)
        replica, before_s = fleet[number], fleet[number].next_s
        replica.receive(request)
        if replica.next_s != before_s:
            heapq.heappush(events, (replica.next_s, number))
    until(end_s)


def with_simpy(requests: Iterable[Request], fleet: Sequence[Replica], end_s: float) -> None:
    """Serve all up to `end_s`: a process for each replica, which a request wakes, and one for the traffic."""
    environment = simpy.Environment()
    woken = [environment.event() for _ in fleet]

    def serve(number: int) -> Generator[simpy.Event]:
        replica = fleet[number]
        while True:
            foreseen_s = replica.next_s
            if foreseen_s == math.inf:
                yield woken[number]
            else:
                yield environment.timeout(max(0.0, foreseen_s - environment.now)) | woken[number]
            if woken[number].triggered:
                woken[number] = environment.event()
            elif replica.next_s == foreseen_s:
                replica.happen()

    def traffic() -> Generator[simpy.Event]:
        for request in requests:
            yield environment.timeout(max(0.0, request.arrival_s - environment.now))
            number = min(range(len(fleet)), key=lambda each: fleet[each].outstanding)
            before_s = fleet[number].next_s
            fleet[number].receive(request)
            if fleet[number].next_s != before_s and not woken[number].triggered:
                woken[number].succeed()

    for number in range(len(fleet)):
        environment.process(serve(number))
    environment.process(traffic())
    environment.run(until=end_s)
