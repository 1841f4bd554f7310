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
    """By whatever is refused. A refusal that comes sooner than one more rest after the last doubles it."""

    def __init__(self) -> None:
        self._rests: dict[object, _Rest] = {}

    def begin(self, what: object, cause: str, now_seconds: float) -> None:
        """Rest because of `cause`. During a rest only the cause is taken."""
        last = self._rests.get(what)
        if last is not None and now_seconds < last.until_seconds:
            self._rests[what] = _Rest(last.until_seconds, last.length_seconds, cause)
            return
        again = last is not None and now_seconds < last.until_seconds + last.length_seconds
        length = min(LONGEST_SECONDS, 2 * last.length_seconds) if again and last is not None else FIRST_SECONDS
        self._rests[what] = _Rest(now_seconds + length, length, cause)

    def cause(self, what: object, now_seconds: float) -> str:
        """Why it rests now; empty if it does not."""
        rest = self._rests.get(what)
        return rest.cause if rest is not None and now_seconds < rest.until_seconds else ""

    def prune(self, now_seconds: float) -> None:
        """Forget what nothing can double any more."""
        self._rests = {
            what: rest for what, rest in self._rests.items() if now_seconds < rest.until_seconds + rest.length_seconds
        }
