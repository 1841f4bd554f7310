"""Standby nodes that replicas took since the last decision: to hold others at once would bring nodes that no plan wants.

The next decision on the grid knows of them.
"""

from collections.abc import Collection, Iterable, Mapping

from autoscaler.kube.objects import Object, condition, uid
from policies.engine import GRID_SECONDS


class Handovers:
    """By pool. A restart forgets them, and holds others a little too early."""

    def __init__(self) -> None:
        self._placed: dict[str, dict[str, str]] = {}  # by the pool's uid: the offering of each unit, by its Job's uid
        self._taken: dict[str, list[tuple[str, float]]] = {}  # by the pool's uid: the offering, and when

    def see(self, pool_uid: str, placed: Mapping[str, str], jobs: Iterable[Object], now_seconds: float) -> None:
        """Take which units hold a node now. One that does no longer was taken, unless its time was up."""
        expired = {uid(job) for job in jobs if (condition(job, "Failed") or {}).get("reason") == "DeadlineExceeded"}
        before = self._placed.get(pool_uid, {})
        gone = [offering for unit, offering in before.items() if unit not in placed and unit not in expired]
        self._placed[pool_uid] = dict(placed)
        recent = [each for each in self._taken.get(pool_uid, ()) if now_seconds - each[1] < GRID_SECONDS]
        self._taken[pool_uid] = recent + [(offering, now_seconds) for offering in gone]

    def units(self, pool_uid: str) -> set[str]:
        """The units that held a node when that was last looked at."""
        return set(self._placed.get(pool_uid, ()))

    def released(self, units: Iterable[str]) -> None:
        """These were let go, by the uids of their Jobs."""
        for unit in units:
            for placed in self._placed.values():
                placed.pop(unit, None)

    def recent(self, pool_uid: str, offering: str, now_seconds: float) -> int:
        """How many of an offering were taken so lately that no decision may know of it."""
        taken = self._taken.get(pool_uid, ())
        return sum(each == offering and now_seconds - at < GRID_SECONDS for each, at in taken)

    def keep(self, pools: Collection[str]) -> None:
        """Forget all but these pools."""
        self._placed = {pool: units for pool, units in self._placed.items() if pool in pools}
        self._taken = {pool: taken for pool, taken in self._taken.items() if pool in pools}
