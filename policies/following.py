"""The starts of one workload's pods: which are under way, and which have ended since the last look."""

from collections.abc import Iterable, Iterator

from policies.seen import FUTURE_SECONDS, PodSeen

MOST_PODS = 4096  # under way at a time, of one workload
LATE_SECONDS = 30.0  # by how much a new pod may be older than the last look: a watch lags, and so may a clock


class Following:
    """Follows the pods that appear after the first look. Of those before, nothing says when they first were ready.

    A new pod that was not created since the last look is not followed either: the API server's clock is not ours.
    """

    def __init__(self) -> None:
        self._under_way: dict[str, PodSeen] = {}  # by uid
        self._over: set[str] = set()  # uids of pods that are listed, and not followed any more
        self._looked_seconds: float | None = None

    def look(self, pods: Iterable[PodSeen], now_seconds: float) -> Iterator[PodSeen]:
        """Take the pods as they are now. Gives those that have come to serve, or will not, in their last form."""
        last, self._looked_seconds = self._looked_seconds, now_seconds
        listed: set[str] = set()
        for pod in pods:
            listed.add(pod.uid)
            if pod.uid in self._over:
                continue
            before = self._under_way.pop(pod.uid, None)
            if before is None and not (_is_new(pod, last, now_seconds) and len(self._under_way) < MOST_PODS):
                self._over.add(pod.uid)
            elif pod.gone:  # what it says now is about its end
                self._over.add(pod.uid)
                yield pod if before is None else before
            elif pod.ready_seconds is not None:
                self._over.add(pod.uid)
                yield pod
            else:
                self._under_way[pod.uid] = pod
        for who in [who for who in self._under_way if who not in listed]:
            yield self._under_way.pop(who)
        self._over &= listed


def _is_new(pod: PodSeen, last: float | None, now_seconds: float) -> bool:
    if last is None or pod.created_seconds is None:
        return False
    return last - LATE_SECONDS <= pod.created_seconds <= now_seconds + FUTURE_SECONDS
