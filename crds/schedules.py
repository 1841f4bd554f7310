"""Weekly windows in local time, resolved to UTC; the core knows no time zone."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from itertools import combinations, product
from zoneinfo import ZoneInfo

from crds.notation.units import minutes
from crds.workload import Schedule
from policies.model import Window

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY_MINUTES = 24 * 60
_WEEK_MINUTES = 7 * _DAY_MINUTES


def windows(schedules: Iterable[Schedule], now_seconds: float, horizon_seconds: float) -> tuple[Window, ...]:
    """The windows that are open between now and the horizon, by start, in Unix seconds.

    A change to or from daylight saving time never shortens a window: if a local time can be read in two ways, the start
    is the earlier instant and the end the later one.
    """
    found = (
        Window(schedule.name, start, end, schedule.min_replicas)
        for schedule in schedules
        for start, end in _occurrences(schedule, now_seconds, horizon_seconds)
        if start < now_seconds + horizon_seconds and end > now_seconds
    )
    return tuple(sorted(found, key=lambda window: (window.start_seconds, window.end_seconds, window.name)))


def _occurrences(schedule: Schedule, now_seconds: float, horizon_seconds: float) -> Iterator[tuple[float, float]]:
    zone = ZoneInfo(schedule.time_zone)
    day = datetime.fromtimestamp(now_seconds, zone).date() - timedelta(days=2)
    last = datetime.fromtimestamp(now_seconds + horizon_seconds, zone).date() + timedelta(days=1)
    start, end = _span(schedule)
    while day <= last:
        if DAYS[day.weekday()] in schedule.days:
            yield min(_instants(day, start, zone)), max(_instants(day, end, zone))
        day += timedelta(days=1)


def _span(schedule: Schedule) -> tuple[int, int]:
    """Minutes since the first day's midnight."""
    start, end = minutes(schedule.start), minutes(schedule.end)
    return start, end if end > start else end + _DAY_MINUTES


def _instants(day: date, minute: int, zone: ZoneInfo) -> tuple[float, float]:
    """Both readings of a local time, which differ in the hour that daylight saving time skips or repeats."""
    days, minute = divmod(minute, _DAY_MINUTES)
    local = datetime.combine(day + timedelta(days=days), time(minute // 60, minute % 60), zone)
    return local.timestamp(), local.replace(fold=1).timestamp()


def overlaps(schedules: Sequence[Schedule]) -> list[tuple[int, int, str]]:
    """Pairs of indices whose windows overlap, with the moment at which the first overlap begins.

    Only windows of the same time zone are compared, since the offset between two zones changes with the season.
    """
    found = []
    for (i, one), (j, other) in combinations(enumerate(schedules), 2):
        if one.time_zone != other.time_zone:
            continue
        meetings = [
            begin % _WEEK_MINUTES
            for (a, b), (c, d) in product(_weekly(one), _weekly(other))
            for shift in (-_WEEK_MINUTES, 0, _WEEK_MINUTES)
            if (begin := max(a, c + shift)) < min(b, d + shift)
        ]
        if meetings:
            found.append((i, j, _moment(min(meetings))))
    return found


def _weekly(schedule: Schedule) -> list[tuple[int, int]]:
    start, end = _span(schedule)
    return [(DAYS.index(day) * _DAY_MINUTES + start, DAYS.index(day) * _DAY_MINUTES + end) for day in schedule.days]


def _moment(minute: int) -> str:
    day, minute = divmod(minute, _DAY_MINUTES)
    return f"{DAYS[day]} {minute // 60:02}:{minute % 60:02}"
