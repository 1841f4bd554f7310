"""How long not to try again what the cluster has refused: a minute, doubling to half an hour."""

from dataclasses import dataclass

FIRST_SECONDS = 60.0
LONGEST_SECONDS = 1800.0


@dataclass(frozen=True, slots=True)
class _Rest:
    until_seconds: float
    length_seconds: float
    cause: str


class Rests:
    """By whatever is refused. A refusal that comes sooner than one more rest after the last doubles it.

    `try_seconds` is how long a new try may take until it is refused.
    """

    def __init__(self, try_seconds: float = 0.0) -> None:
        self._rests: dict[object, _Rest] = {}
        self._try_seconds = try_seconds

    def begin(self, what: object, cause: str, now_seconds: float) -> None:
        """Rest because of `cause`. During a rest only the cause is taken."""
        last = self._rests.get(what)
        if last is not None and now_seconds < last.until_seconds:
            self._rests[what] = _Rest(last.until_seconds, last.length_seconds, cause)
            return
        again = last is not None and now_seconds < self._doubles_until(last)
        length = min(LONGEST_SECONDS, 2 * last.length_seconds) if again and last is not None else FIRST_SECONDS
        self._rests[what] = _Rest(now_seconds + length, length, cause)

    def cause(self, what: object, now_seconds: float) -> str:
        """Why it rests now; empty if it does not."""
        rest = self._rests.get(what)
        return rest.cause if rest is not None and now_seconds < rest.until_seconds else ""

    def prune(self, now_seconds: float) -> None:
        """Forget what nothing can double any more."""
        self._rests = {what: rest for what, rest in self._rests.items() if now_seconds < self._doubles_until(rest)}

    def _doubles_until(self, rest: _Rest) -> float:
        return rest.until_seconds + rest.length_seconds + self._try_seconds
