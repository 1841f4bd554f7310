"""One serving pod: requests in, counters out, and its `/metrics` page. Every counter is that of the same requests."""

import math
from dataclasses import dataclass, field, replace
from functools import cache
from typing import NamedTuple

from autoscaler.sources.families import QUEUE_TIME_BUCKET, QUEUE_TIME_COUNT, STARTED
from policies.series import FINISHED, GENERATION_TOKENS, PROMPT_TOKENS, RUNNING, WAITING
from tests.twin.load import Load

REJECTED = "vllm:admission_rejections_total"
CACHED_TOKENS = "vllm:prompt_tokens_cached_total"
PROMPT_SUM, PROMPT_COUNT = "vllm:request_prompt_tokens_sum", "vllm:request_prompt_tokens_count"
GENERATION_SUM, GENERATION_COUNT = "vllm:request_generation_tokens_sum", "vllm:request_generation_tokens_count"
FIRST_TOKENS = "vllm:time_to_first_token_seconds_count"
HISTOGRAMS = (PROMPT_SUM, PROMPT_COUNT, GENERATION_SUM, GENERATION_COUNT)
COUNTERS = (FINISHED, REJECTED, PROMPT_TOKENS, CACHED_TOKENS, GENERATION_TOKENS, *HISTOGRAMS, FIRST_TOKENS)
GAUGES = (RUNNING, WAITING)
LATE_AFTER_SECONDS = 5.0  # the policy's queue wait
CYCLE = 64  # requests after which the lengths repeat, so that a mean over many is exact


class Series(NamedTuple):
    """One line of a page."""

    family: str
    engine: str | None
    labels: str  # without the engine
    value: float

    @property
    def line(self) -> str:
        engine = "" if self.engine is None else f'engine="{self.engine}",'
        return f"{self.family}{{{engine}{self.labels}}} {self.value!r}\n"


@cache
def _lengths(mean: float, spread: float, stride: int) -> tuple[float, ...]:
    """Tokens of the first requests of a cycle, summed up: uniform within `spread` of the mean."""
    sums, total = [0.0], 0.0
    for index in range(CYCLE):
        total += round(mean * (1.0 + spread * (2.0 * (index * stride % CYCLE + 0.5) / CYCLE - 1.0)))
        sums.append(total)
    return tuple(sums)


def _tokens(mean: float, spread: float, stride: int, requests: int) -> float:
    sums = _lengths(mean, spread, stride)
    return requests // CYCLE * sums[CYCLE] + sums[requests % CYCLE]


@dataclass
class Pod:
    """A replica. What it has served before the start of the play is in its counters too."""

    name: str
    load: Load
    created_seconds: float
    ready_seconds: float
    started_seconds: float
    accepted: int = 0
    served: float = 0.0
    hung_up: int = 0  # among those served: they left just before the last token, and are not counted as finished
    lost: int = 0  # left at once, before that
    rejected: int = 0
    first_tokens: int = 0
    late: tuple[tuple[int, int], ...] = ()  # (the first, after the last) of those accepted that wait for too long
    hang_up_share: float = 0.0
    _owed: float = field(default=0.0)

    @property
    def done(self) -> int:
        """Whole requests served."""
        return int(self.served + 0.5)

    @property
    def in_flight(self) -> int:
        return self.accepted - self.done - self.lost

    def step(self, seconds: float, arrivals: int) -> None:
        """Take and serve requests for that long."""
        load = self.load
        most = load.engine.max_concurrency
        room = int(most + load.queue_limit) - self.in_flight if load.queue_limit < 1e9 else arrivals
        taken = min(arrivals, max(0, room))
        if (self.in_flight - most) * load.work_seconds > LATE_AFTER_SECONDS:
            self.late = (*self.late, (self.accepted, self.accepted + taken))
        self.accepted += taken
        self.rejected += arrivals - taken
        before = self.done
        self.served += self._served_in(seconds, taken)
        self._owed += self.hang_up_share * (self.done - before)
        leaving = int(self._owed)
        self._owed -= leaving
        self.hung_up += leaving
        waiting = max(0, self.in_flight - int(most))
        self.first_tokens = max(self.first_tokens, self.accepted - self.lost - waiting)

    def _served_in(self, seconds: float, taken: int) -> float:
        """Requests that end within a step in which `taken` arrive evenly: each takes its latency, or waits for a slot."""
        most = self.load.engine.max_concurrency
        latency = self.load.latency_seconds
        flight = self.accepted - taken - self.lost - self.served
        at_most = min(flight + taken, seconds / self.load.work_seconds)
        if flight > most:
            return at_most
        even = taken / seconds * latency
        left = even + (flight - even) * math.exp(-seconds / latency)
        return min(max(0.0, flight + taken - left), at_most)

    def hang_up(self) -> None:
        """All clients hang up at once."""
        self.lost += self.in_flight
        self.served = float(self.done)

    def values(self) -> dict[str, float]:
        """Each family, summed over the engines."""
        load, flight = self.load, self.in_flight
        running = min(flight, int(load.engine.max_concurrency))
        served = self.done
        counted = served - self.hung_up
        late = min(counted, sum([min(served, last) - min(served, first) for first, last in self.late]))
        prefilled = _tokens(load.prompt_tokens, 0.4, 27, self.first_tokens)
        generation = load.generation_tokens
        return {
            RUNNING: float(running),
            WAITING: float(flight - running),
            FINISHED: float(counted),
            REJECTED: float(self.rejected),
            PROMPT_TOKENS: prefilled,
            CACHED_TOKENS: float(int(prefilled * load.cached_share)),
            GENERATION_TOKENS: _tokens(generation, 0.3, 37, served) + (running + self.lost) * round(generation / 2),
            PROMPT_SUM: _tokens(load.prompt_tokens, 0.4, 27, counted),
            PROMPT_COUNT: float(counted),
            GENERATION_SUM: _tokens(generation, 0.3, 37, counted),
            GENERATION_COUNT: float(counted),
            FIRST_TOKENS: float(self.first_tokens),
            QUEUE_TIME_COUNT: float(counted),
            QUEUE_TIME_BUCKET: float(counted - late),
        }

    def baseline(self) -> dict[tuple[str, str | None, str], float]:
        """The counters by series as if nothing were in flight: what a process that starts now, and is sent it again, lacks."""
        idle = replace(self, accepted=self.done + self.lost, first_tokens=self.done)
        return {each[:3]: each.value for each in idle.series() if each.family not in GAUGES}

    def series(self) -> list[Series]:
        """The page's series."""
        found, engines = [], self.load.engines
        for family, value in self.values().items():
            model = f'le="{LATE_AFTER_SECONDS}",model_name="m"' if family == QUEUE_TIME_BUCKET else 'model_name="m"'
            if family == REJECTED:  # has no label for the engine
                found.append(Series(family, None, f'{model},reason="max_num_queued_reqs"', value))
                continue
            left = value
            for engine in range(engines):
                part = left if engine == engines - 1 else float(value // engines)
                left -= part
                if family == FINISHED:
                    length = float(part // 4)
                    found.append(Series(family, str(engine), f'finished_reason="stop",{model}', part - length))
                    found.append(Series(family, str(engine), f'finished_reason="length",{model}', length))
                else:
                    found.append(Series(family, str(engine), model, part))
        return found

    def page(self, series: list[Series] | None = None, started_seconds: float | None = None) -> bytes:
        """The page as text, of these series instead of its own."""
        text = "".join([each.line for each in (self.series() if series is None else series)])
        if self.load.names_start:
            started = self.started_seconds if started_seconds is None else started_seconds
            text = f"{STARTED} {started!r}\n{text}"
        return text.encode()
