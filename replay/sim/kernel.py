"""Continuous batching at the level of requests: what each replica does between two moves of the control plane.

The model. A request sent to a replica waits in its queue, first come first served. Prefill is chunked and takes one
request at a time: the head of the queue is admitted when no other is in prefill, fewer than `max_num_seqs` run, and the
KV cache has room for its prompt and its whole output (so nothing is ever preempted). A request larger than the cache is
admitted to an empty replica. The wait ends with the admission, as in vLLM's WAITING state. Prefill's last chunk gives
the first token; the others are decoded in steps that give each of `n` sequences one token:

    step(n) = step_base + step_sequence * n                                         [s]
    alone:           prefill at P tokens/s, or decode at 1 / step(n) tokens/s a sequence
    both at once:    prefill at phi * P,    and decode at (1 - phi) / step(n)

So a request of p prompt and g output tokens takes p/P + g * (step_base/n + step_sequence) seconds of a replica. As all
sequences of a replica decode at one speed, one clock that counts tokens per sequence stands for all of them: a sequence
that starts at clock v ends at v + g - 1, and a heap of these ends gives the next. Between two events of a replica all
rates are constant, and no event of one replica moves another; the event loop is per replica, and exact.

Routing: a request goes to the serving replica with the fewest outstanding ones when it arrives, the first among equals,
and stays there. While nothing serves it waits before the fleet.

Left out: the rounding of admissions to step borders, prefix caches, preemption, speculative decoding.

Times are seconds from the scenario's start. State lies in structured arrays, one row a replica or a request, whose
fields are named by the classes `Replica` and `Request`; a row that is written to is a view.
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from policies.series import QUEUE_TIME_BOUNDS_SECONDS
from replay.sim.jit import compiled

Rows = NDArray[np.void]
BOUNDS_SECONDS = np.array(QUEUE_TIME_BOUNDS_SECONDS)


class Engine(NamedTuple):
    """How fast one replica is, and how much fits."""

    prefill_tokens_per_second: float
    prefill_max_share: float
    step_base_seconds: float
    step_sequence_seconds: float
    max_num_seqs: int
    kv_tokens: int


class Request:
    """A request and what became of it. NaN and -1: not yet."""

    arrival_s: float
    prompt_tokens: int
    output_tokens: int
    received_s: float  # by its replica
    admitted_s: float
    first_token_s: float
    finish_s: float
    failed_s: float  # cut off by its pod's end
    pod: int  # ordinal
    behind: int  # the next request in the same queue


class Replica:
    """A replica's state. Requests are named by their row."""

    pod: int  # ordinal
    clock_s: float  # the last event; all rates are constant since
    next_s: float  # the next one
    next_is_prefill: bool
    outstanding: int  # waiting + running
    waiting: int
    queue_head: int
    queue_tail: int
    prefilling: int  # the request in prefill, -1: none
    prefill_left_tokens: float
    decoding: int
    decoded: float  # the token clock: tokens per sequence
    first_end: float  # where on it the next sequence ends
    kv_reserved_tokens: int
    finished: int
    first_tokens: int  # requests that have one
    prefilled_tokens: int
    generated_tokens: float
    finished_prompt_tokens: int
    finished_output_tokens: int
    queue_times: list[int]  # finished requests by the bucket of vLLM's queue times


class Metrics:
    """What a replica's /metrics show: fields of a `PodSample`. What is never set stays zero."""

    running: float
    waiting: float
    finished_total: float
    rejected_total: float
    prompt_tokens_total: float
    cached_prompt_tokens_total: float
    generation_tokens_total: float
    request_prompt_tokens_sum: float
    request_prompt_tokens_count: float
    request_generation_tokens_sum: float
    request_generation_tokens_count: float
    first_tokens_total: float


class End:
    """Where on the token clock a sequence ends. A replica's ends are a heap."""

    decoded: float
    request: int


def rows(row: type, *shape: int) -> Rows:
    """Zeroed rows with the fields of one of the classes above."""
    return np.zeros(shape, dtype(row))


@cache
def dtype(row: type) -> np.dtype[np.void]:
    """The fields of one of the classes above, as numpy knows them."""
    kinds = {float: "f8", int: "i8", bool: "?", list[int]: f"{len(BOUNDS_SECONDS) + 1}i8"}
    return np.dtype([(name, kinds[kind]) for name, kind in row.__annotations__.items()])


# ---------------------------------------------------------------- the heap of ends


@compiled
def _earlier(a: End, b: End) -> bool:
    return a.decoded < b.decoded or (a.decoded == b.decoded and a.request < b.request)


@compiled
def _swap(a: End, b: End) -> None:
    a.decoded, b.decoded = b.decoded, a.decoded
    a.request, b.request = b.request, a.request


@compiled
def _push(replica: Replica, ends: Rows, decoded: float, request: int) -> None:
    i = replica.decoding
    ends[i].decoded = decoded
    ends[i].request = request
    while i > 0 and _earlier(ends[i], ends[(i - 1) // 2]):
        _swap(ends[i], ends[(i - 1) // 2])
        i = (i - 1) // 2
    replica.decoding += 1
    replica.first_end = ends[0].decoded


@compiled
def _pop(replica: Replica, ends: Rows) -> int:
    replica.decoding -= 1
    size = replica.decoding
    _swap(ends[0], ends[size])
    i = 0
    while 2 * i + 1 < size:
        child = 2 * i + 1
        if child + 1 < size and _earlier(ends[child + 1], ends[child]):
            child += 1
        if not _earlier(ends[child], ends[i]):
            break
        _swap(ends[i], ends[child])
        i = child
    replica.first_end = ends[0].decoded
    return int(ends[size].request)


# ---------------------------------------------------------------- one replica


@compiled
def _prefill_share(replica: Replica, engine: Engine) -> float:
    if replica.prefilling < 0:
        return 0.0
    return engine.prefill_max_share if replica.decoding > 0 else 1.0


@compiled
def _step_seconds(replica: Replica, engine: Engine) -> float:
    return engine.step_base_seconds + engine.step_sequence_seconds * replica.decoding


@compiled
def _tokens_since(replica: Replica, engine: Engine, time_s: float) -> float:
    """Tokens that each decoding sequence got since the last event."""
    share = 1.0 - _prefill_share(replica, engine)
    return (time_s - replica.clock_s) * share / _step_seconds(replica, engine)


@compiled
def _move_clock(replica: Replica, engine: Engine, time_s: float) -> None:
    if replica.prefilling >= 0:
        speed = engine.prefill_tokens_per_second * _prefill_share(replica, engine)
        replica.prefill_left_tokens -= (time_s - replica.clock_s) * speed
    if replica.decoding > 0:
        tokens = _tokens_since(replica, engine, time_s)
        replica.decoded += tokens
        replica.generated_tokens += tokens * replica.decoding
    replica.clock_s = time_s


@compiled
def _foresee(replica: Replica, engine: Engine) -> None:
    """Set the next event."""
    replica.next_s = math.inf
    share = _prefill_share(replica, engine)
    if share > 0.0:
        left = max(0.0, replica.prefill_left_tokens)
        replica.next_s = replica.clock_s + left / (engine.prefill_tokens_per_second * share)
        replica.next_is_prefill = True
    if replica.decoding > 0 and share < 1.0:
        left = max(0.0, replica.first_end - replica.decoded)
        end_s = replica.clock_s + left * _step_seconds(replica, engine) / (1.0 - share)
        if end_s < replica.next_s:
            replica.next_s = end_s
            replica.next_is_prefill = False


@compiled
def _admit(requests: Rows, replica: Replica, engine: Engine) -> None:
    if replica.prefilling >= 0 or replica.waiting == 0 or replica.decoding >= engine.max_num_seqs:
        return
    request = requests[replica.queue_head]
    need = request.prompt_tokens + request.output_tokens
    if replica.decoding > 0 and replica.kv_reserved_tokens + need > engine.kv_tokens:
        return
    replica.prefilling = replica.queue_head
    replica.prefill_left_tokens = request.prompt_tokens
    replica.kv_reserved_tokens += need
    replica.queue_head = request.behind
    replica.waiting -= 1
    request.admitted_s = replica.clock_s


@compiled
def _finish(request: Request, replica: Replica) -> None:
    request.finish_s = replica.clock_s
    replica.outstanding -= 1
    replica.kv_reserved_tokens -= request.prompt_tokens + request.output_tokens
    replica.finished += 1
    replica.finished_prompt_tokens += request.prompt_tokens
    replica.finished_output_tokens += request.output_tokens
    wait_seconds, bucket = request.admitted_s - request.received_s, 0
    while bucket < len(BOUNDS_SECONDS) and wait_seconds > BOUNDS_SECONDS[bucket]:
        bucket += 1
    replica.queue_times[bucket] += 1


@compiled
def _end_prefill(requests: Rows, replica: Replica, ends: Rows) -> None:
    row = replica.prefilling
    request = requests[row]
    replica.prefilling = -1
    replica.prefilled_tokens += request.prompt_tokens
    replica.first_tokens += 1
    replica.generated_tokens += 1.0
    request.first_token_s = replica.clock_s
    if request.output_tokens <= 1:
        _finish(request, replica)
    else:
        _push(replica, ends, replica.decoded + request.output_tokens - 1.0, row)


@compiled
def _end_decode(requests: Rows, replica: Replica, ends: Rows) -> None:
    replica.decoded = replica.first_end
    _finish(requests[_pop(replica, ends)], replica)
    if replica.decoding == 0:
        replica.decoded = 0.0  # a small clock is an exact one


@compiled
def _serve(requests: Rows, replica: Replica, ends: Rows, engine: Engine, to_s: float) -> None:
    """All events of one replica up to `to_s`."""
    while replica.next_s <= to_s:
        _move_clock(replica, engine, replica.next_s)
        if replica.next_is_prefill:
            _end_prefill(requests, replica, ends)
        else:
            _end_decode(requests, replica, ends)
        _admit(requests, replica, engine)
        _foresee(replica, engine)


@compiled
def _receive(requests: Rows, row: int, replica: Replica, engine: Engine, time_s: float) -> None:
    requests[row].pod = replica.pod
    requests[row].received_s = time_s
    if replica.waiting == 0:
        replica.queue_head = row
    else:
        requests[replica.queue_tail].behind = row
    replica.queue_tail = row
    replica.waiting += 1
    replica.outstanding += 1
    if replica.prefilling < 0 and replica.waiting == 1:
        _move_clock(replica, engine, time_s)
        _admit(requests, replica, engine)
        _foresee(replica, engine)


# ---------------------------------------------------------------- the fleet


@compiled
def advance(
    requests: Rows,
    fleet: Rows,
    ends: Rows,
    engine: Engine,
    serving: NDArray[np.int64],
    first: int,
    since_s: float,
    to_s: float,
) -> int:
    """Route and serve from `since_s` up to `to_s`. `first` is the first request not yet routed; returns the next such.

    `serving` holds the rows of the replicas that take requests.
    """
    row = first
    while len(serving) > 0 and row < len(requests) and requests[row].arrival_s <= to_s:
        time_s = max(since_s, requests[row].arrival_s)
        chosen = serving[0]
        for slot in serving:
            if fleet[slot].next_s <= time_s:
                _serve(requests, fleet[slot], ends[slot], engine, time_s)
            if fleet[slot].outstanding < fleet[chosen].outstanding:
                chosen = slot
        _receive(requests, row, fleet[chosen], engine, time_s)
        row += 1
    for slot in serving:
        _serve(requests, fleet[slot], ends[slot], engine, to_s)
    return row


@compiled
def drain(requests: Rows, fleet: Rows, ends: Rows, engine: Engine, slot: int, until_s: float) -> float:
    """Run a replica that gets nothing new until it is empty, `until_s` at most; what is left then fails.

    Returns the time of its last event, or `until_s`. As nothing else moves it any more, it may run ahead of the others.
    """
    replica = fleet[slot]
    _serve(requests, replica, ends[slot], engine, until_s)
    if replica.outstanding == 0:
        return float(replica.clock_s)
    if replica.prefilling >= 0:
        requests[replica.prefilling].failed_s = until_s
    for i in range(replica.decoding):
        requests[ends[slot, i].request].failed_s = until_s
    row = replica.queue_head
    for _ in range(replica.waiting):
        requests[row].failed_s = until_s
        row = requests[row].behind
    return until_s


@compiled
def renumber(fleet: Rows, ends: Rows, serving: NDArray[np.int64], removed: int) -> None:
    """The first `removed` requests have no row any more, and none of them is with a replica."""
    for slot in serving:
        replica = fleet[slot]
        replica.queue_head -= removed
        replica.queue_tail -= removed
        if replica.prefilling >= 0:
            replica.prefilling -= removed
        for i in range(replica.decoding):
            ends[slot, i].request -= removed


@compiled
def show(fleet: Rows, engine: Engine, slots: NDArray[np.int64], time_s: float, metrics: Rows) -> None:
    """Write what each replica's /metrics say at that time."""
    for i, slot in enumerate(slots):
        replica, shown = fleet[slot], metrics[i]
        generated = replica.generated_tokens
        if replica.decoding > 0:
            generated += _tokens_since(replica, engine, time_s) * replica.decoding
        shown.running = replica.outstanding - replica.waiting
        shown.waiting = replica.waiting
        shown.finished_total = replica.finished
        shown.prompt_tokens_total = replica.prefilled_tokens
        shown.generation_tokens_total = math.floor(generated + 1e-6)  # a whole count stays whole
        shown.request_prompt_tokens_sum = replica.finished_prompt_tokens
        shown.request_prompt_tokens_count = replica.finished
        shown.request_generation_tokens_sum = replica.finished_output_tokens
        shown.request_generation_tokens_count = replica.finished
        shown.first_tokens_total = replica.first_tokens
