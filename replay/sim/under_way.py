"""A scenario's requests: a row for each that is under way, and of those that are over only how long they waited."""

import math

import numpy as np
from numpy.typing import NDArray

from replay.sim import kernel
from replay.sim.jit import compiled
from replay.sim.views import Passed, RequestLog, Waits
from replay.traces.trace import Requests

BLOCK = 1 << 16  # rows that are added at once
REMEMBERED_SECONDS = 180.0  # the longest while that a gateway is asked for


class UnderWay:
    """Rows in the order of arrival, from the first that is not long over. `routed` are those that were sent to a replica."""

    def __init__(self, requests: Requests) -> None:
        self.rows = _unserved(requests, slice(0, BLOCK))
        self.routed = 0
        self._requests = requests
        self._first = 0  # the request in the first row
        self._finished = 0
        self._wait_seconds = np.empty(len(requests))
        self._first_token_seconds = np.empty(len(requests))
        self._failed = np.zeros(len(requests), np.bool_)

    @property
    def complete_s(self) -> float:
        """Every request that arrives before has its row."""
        return math.inf if self._loaded == len(self._requests) else float(self._requests.arrival_s[self._loaded])

    @property
    def _loaded(self) -> int:
        return self._first + len(self.rows)

    def load(self, now_s: float) -> int:
        """Add the next rows, and remove those before which all is long over. Returns how many: the number that others fell by."""
        past_s = now_s - REMEMBERED_SECONDS
        over = (self.rows["finish_s"] <= past_s) | (self.rows["failed_s"] <= past_s)
        gone = len(over) if over.all() else int(np.argmin(over))
        self._note(self.rows[:gone], now_s)
        self._finished += int(np.count_nonzero(self.rows["finish_s"][:gone] <= now_s))
        kept = self.rows[gone:]
        kept["behind"] -= gone
        added = _unserved(self._requests, slice(self._loaded, self._loaded + max(BLOCK, len(kept))))
        self.rows = np.concatenate((kept, added))
        self.routed -= gone
        self._first += gone
        return gone

    def _note(self, rows: kernel.Rows, now_s: float) -> None:
        """Write down what became of the first rows by now."""
        to = slice(self._first, self._first + len(rows))
        self._wait_seconds[to] = _come(rows["admitted_s"], now_s) - rows["arrival_s"]
        self._first_token_seconds[to] = _come(rows["first_token_s"], now_s) - rows["arrival_s"]
        self._failed[to] = rows["failed_s"] <= now_s

    def cut(self, pod: int, until_s: float) -> None:
        """The requests of a replica that has run ahead fail at `until_s` where they are not finished by then."""
        of_pod = self.rows["pod"] == pod
        failed = of_pod & ((self.rows["finish_s"] > until_s) | (self.rows["failed_s"] > until_s))
        self.rows["failed_s"][failed] = until_s
        for field in ("admitted_s", "first_token_s", "finish_s"):
            self.rows[field][of_pod & (self.rows[field] > until_s)] = math.nan

    def _arrived(self, now_s: float) -> int:
        return int(np.searchsorted(self._requests.arrival_s, now_s, side="right"))

    def waits(self, now_s: float) -> Waits:
        """How long each request that has arrived by now has waited."""
        arrived = self._arrived(now_s)
        rows = self.rows[: arrived - self._first]
        self._note(rows, now_s)
        for column in (self._wait_seconds, self._first_token_seconds):
            column[self._first + len(rows) : arrived] = math.nan
        failed = self._failed[:arrived]
        finished = self._finished + int(np.count_nonzero(rows["finish_s"] <= now_s))
        return Waits(
            arrival_s=self._requests.arrival_s[:arrived],
            wait_seconds=self._wait_seconds[:arrived],
            first_token_seconds=self._first_token_seconds[:arrived],
            failed=failed,
            unfinished=arrived - finished - int(np.count_nonzero(failed)),
        )

    def passed(self, since_s: float, now_s: float) -> Passed:
        """What went through after `since_s`, which is REMEMBERED_SECONDS ago at the most, and up to now."""
        first, end = self._arrived(since_s), self._arrived(now_s)
        rows = self.rows[: end - self._first]
        first_token_seconds, token_seconds = np.empty(len(rows)), np.empty(len(rows))
        begun, timed, finished, output = _pass(rows, since_s, now_s, first_token_seconds, token_seconds)
        return Passed(
            arrived=end - first,
            prompt_tokens=int(self._requests.prompt_tokens[first:end].sum()),
            finished=finished,
            output_tokens=output,
            first_token_seconds=first_token_seconds[:begun],
            token_seconds=token_seconds[:timed],
        )

    def log(self, now_s: float) -> RequestLog:
        """What became by now of each request that has a row."""
        rows = self.rows[: self._arrived(now_s) - self._first]
        arrival_s = rows["arrival_s"].copy()
        return RequestLog(
            arrival_s=arrival_s,
            wait_seconds=_come(rows["admitted_s"], now_s) - arrival_s,
            first_token_seconds=_come(rows["first_token_s"], now_s) - arrival_s,
            finish_s=_come(rows["finish_s"], now_s),
            pod=rows["pod"].copy(),
            failed=rows["failed_s"] <= now_s,
        )


@compiled
def _pass(
    rows: kernel.Rows,
    since_s: float,
    now_s: float,
    first_token_seconds: NDArray[np.float64],
    token_seconds: NDArray[np.float64],
) -> tuple[int, int, int, int]:
    """Fill in the times from the front. Returns how many there are of each, how many requests finished, and their tokens."""
    begun, timed, finished, output = 0, 0, 0, 0
    for i in range(len(rows)):
        row = rows[i]
        if since_s < row.first_token_s <= now_s:
            first_token_seconds[begun] = row.first_token_s - row.arrival_s
            begun += 1
        if since_s < row.finish_s <= now_s:
            finished += 1
            output += row.output_tokens
            if row.output_tokens > 1:
                token_seconds[timed] = (row.finish_s - row.first_token_s) / (row.output_tokens - 1)
                timed += 1
    return begun, timed, finished, output


def _come(times_s: NDArray[np.float64], now_s: float) -> NDArray[np.float64]:
    """Times that have come. A replica that drains has run ahead: what lies after now is still unknown."""
    return np.where(times_s <= now_s, times_s, math.nan)


def _unserved(requests: Requests, part: slice) -> kernel.Rows:
    rows = kernel.rows(kernel.Request, len(requests.arrival_s[part]))
    rows["arrival_s"] = requests.arrival_s[part]
    rows["prompt_tokens"] = requests.prompt_tokens[part]
    rows["output_tokens"] = requests.output_tokens[part]
    for field in ("received_s", "admitted_s", "first_token_s", "finish_s", "failed_s"):
        rows[field] = math.nan
    for field in ("pod", "behind"):
        rows[field] = -1
    return rows
