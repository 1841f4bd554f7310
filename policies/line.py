"""Which of a pool's members gets the next GPU, or loses one, without a look at every member for each GPU."""

from collections.abc import Callable, Iterable, Iterator
from heapq import heapify, heappop, heapreplace

from policies.grants import Division, Rule, Share

_Entry = tuple[int, int, Share]


class Line:
    """Those of `shares`, given by workload, that may go on, in the order of their rank; with `last`, the last one first.

    It asks `may` again when a share's turn comes. What a share has may change only while it is the first, or so that it may
    not go on.
    """

    def __init__(self, shares: Iterable[Share], may: Callable[[Share], bool], *, last: bool = False) -> None:
        self._may = may
        self._sign = -1 if last else 1
        self._of_rank = max if last else min
        self._heaps: dict[int, list[_Entry]] = {}  # by rule, whose shares keep their order when it gets more
        for index, share in enumerate(shares):
            if may(share):
                entry = self._sign * share.gpus, self._sign * index, share
                self._heaps.setdefault(id(share.rule), []).append(entry)
        for heap in self._heaps.values():
            heapify(heap)

    def first(self) -> Share | None:
        """Who is next; None if nobody is left."""
        while self._heaps:
            rule, heap = self._of_rank(self._heaps.items(), key=_rank)
            gpus, index, share = heap[0]
            if not self._may(share):
                self._drop(rule)
            elif gpus != self._sign * share.gpus:
                heapreplace(heap, (self._sign * share.gpus, index, share))
            else:
                return share
        return None

    def leave(self, share: Share) -> None:
        """Take the first, `share`, out of the line."""
        self._drop(id(share.rule))

    def waiting(self) -> list[Share]:
        """All that are left."""
        return [share for heap in self._heaps.values() for _, _, share in heap if self._may(share)]

    def _drop(self, rule: int) -> None:
        heappop(self._heaps[rule])
        if not self._heaps[rule]:
            del self._heaps[rule]


def ended_holds(found: Division, below: float, rule: Rule | None = None) -> Iterator[Share]:
    """One more replica of a hold ended with each step, of a member with a priority below `below`, and of one rule if it is given.

    The lowest priority first, then who has most for its weight. What is guaranteed stays, since nobody else could have it.
    """
    of = [each for each in found.shares if each.priority < below and (rule is None or each.rule is rule)]
    line = Line(of, _holds, last=True)
    while victim := line.first():
        found.add(victim, replicas=-1)
        yield victim


def _holds(share: Share) -> bool:
    """Whether a replica of it can be taken back."""
    left_gpus = share.rule.gpus - share.ask.gpus_per_replica
    return share.replicas > share.least and left_gpus >= share.rule.seat.guaranteed_gpus


def _rank(of_rule: tuple[int, list[_Entry]]) -> tuple[float, float, str, int, str]:
    return of_rule[1][0][2].rank
