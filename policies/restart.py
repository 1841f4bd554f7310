"""What of a saved state can still be compared with what is read now.

A clock that was set back leaves times in the future: counters that seem to have been read later than now, and arrivals
that would count as a recent demand of hundreds of replicas, or of minus thousands. What is old would spread the growth of
hours over a single tick.
"""

import math
from dataclasses import replace

from policies.level import interrupted
from policies.model import State

RECENT_SECONDS = 30.0  # two ticks: readings that old are still compared with those after a restart
# Six ticks. After a longer pause, of the process or of its machine, decisions begin as after a restart.
PAUSED_SECONDS = 90.0


def known(state: State, now_seconds: float, oldest_seconds: float = -math.inf) -> State:
    """The state without times in the future, or from before `oldest_seconds`. What was learned from them stays.

    A reading of such a time is no longer compared with; it still says what its pod has shown.
    """
    filters, tick = state.filters, state.filters.tick_seconds

    def in_time(at_seconds: float) -> bool:
        return oldest_seconds <= at_seconds <= now_seconds

    if tick is not None and not in_time(tick):
        filters = interrupted(filters, now_seconds)  # until the level has followed what it missed
    return replace(
        state,
        filters=replace(
            filters,
            tick_seconds=tick if tick is not None and in_time(tick) else None,
            marks=tuple(
                mark if in_time(mark.reading.at_seconds) else replace(mark, comparable=False) for mark in filters.marks
            ),
            arrivals=tuple(item for item in filters.arrivals if in_time(item[0])),
            levels=tuple(item for item in filters.levels if item[0] <= now_seconds),
            unlisted_seconds=None,
        ),
    )


def was_paused(state: State, now_seconds: float) -> bool:
    """Whether the last tick is so long ago that the next one would mistake a pause for a lull."""
    tick = state.filters.tick_seconds
    return tick is not None and now_seconds - tick > PAUSED_SECONDS
