"""Which activity streams may be open: KEDA holds one for each ScaledObject, and one takes 44 kB while it waits.

Without limits, 10,000 streams for policies that do not exist took 440 MB.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

MOST = 5_000
MOST_OF_PEER = 2_500
MOST_WAITING = 500  # for policies that do not exist, which a ScaledObject may name before they are made
MOST_WAITING_OF_PEER = 250


class TooManyStreamsError(Exception):
    """A stream is refused. The text says which limit is reached, and what to do."""


class Streams:
    """Counts the open streams. `known` gives the policies that exist, and None where that is not known yet."""

    def __init__(self, known: Callable[[], Collection[str] | None]) -> None:
        self._known = known
        self._of_peer: Counter[str] = Counter()
        self._waiting: dict[
            object, tuple[str, str]
        ] = {}  # by stream: peer and policy, of those not known when it opened

    def __len__(self) -> int:
        return self._of_peer.total()

    @contextmanager
    def open(self, peer: str, policy: str) -> Iterator[None]:
        """Count a stream while it is open. `peer` is the client's address. Raises TooManyStreamsError."""
        stream = object()
        self._check(peer, policy)
        self._of_peer[peer] += 1
        if not self._exists(policy):
            self._waiting[stream] = peer, policy
        try:
            yield
        finally:
            self._waiting.pop(stream, None)
            self._of_peer[peer] -= 1
            if not self._of_peer[peer]:
                del self._of_peer[peer]

    def _check(self, peer: str, policy: str) -> None:
        if len(self) >= MOST or self._of_peer[peer] >= MOST_OF_PEER:
            raise TooManyStreamsError(
                f"{self._of_peer[peer]} streams are open from your address and {len(self)} in all, of at most {MOST_OF_PEER} and "
                f"{MOST}: close those that are not used"
            )
        if self._exists(policy):
            return
        self._waiting = {stream: held for stream, held in self._waiting.items() if not self._exists(held[1])}
        mine = sum(held[0] == peer for held in self._waiting.values())
        if len(self._waiting) >= MOST_WAITING or mine >= MOST_WAITING_OF_PEER:
            raise TooManyStreamsError(
                f"ScalingPolicy {policy} does not exist, and as many streams as may wait for policies that do not exist are open: "
                "create it, or name another one"
            )

    def _exists(self, policy: str) -> bool:
        known = self._known()
        return known is None or policy in known
