"""Kubernetes' own notations for time, quantity and share, read into plain numbers.

Durations are those of the Gateway API (GEP-2257): whole numbers with h, m, s or ms, a strict part of what Go reads.
Quantities are those of `resource.Quantity`, without a sign.
"""

import re
from decimal import Decimal

DURATION = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
QUANTITY = r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,2})?$"
PERCENT = r"^(5[0-9]|[6-9][0-9])(\.[0-9]{1,2})?%$"  # 50 % to 99.99 %
CLOCK_TIME = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"

DAY_SECONDS = 86_400.0
_UNIT_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def seconds(duration: str) -> float:
    """Read a duration such as `1m30s`. Raises ValueError for anything else."""
    if not re.fullmatch(DURATION, duration, re.ASCII):
        raise ValueError(f"not a duration: {duration!r}")
    parts = re.findall(r"([0-9]+)(ms|h|m|s)", duration)
    return sum(int(count) * _UNIT_SECONDS[unit] for count, unit in parts)


def span_seconds(text: str) -> float:
    """Read a duration that may begin with days, such as `1d2h`; no field of Kubernetes takes them. Raises ValueError."""
    days, has_days, rest = text.rpartition("d")
    if not has_days:
        return seconds(rest)
    if not re.fullmatch("[0-9]{1,5}", days, re.ASCII):
        raise ValueError(f"not a duration: {text!r}")
    return int(days) * DAY_SECONDS + (seconds(rest) if rest else 0.0)


def duration(of_seconds: float) -> str:
    """Write seconds as a duration, to the millisecond: 90.5 gives `1m30s500ms`."""
    rest = round(of_seconds * 1000)
    text = ""
    for unit, milliseconds in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, rest = divmod(rest, milliseconds)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def quantity(value: int | str) -> float:
    """Read a quantity such as `2500`, `2.5k` or `2500u`. Raises ValueError for anything else."""
    return float(exact_quantity(value))


def exact_quantity(value: int | str) -> Decimal:
    """Read a quantity without rounding. Raises ValueError for anything else."""
    match = re.fullmatch(QUANTITY, str(value), re.ASCII)
    if not match:
        raise ValueError(f"not a quantity: {value!r}")
    number, suffix = Decimal(match[1]), match[3] or ""
    if suffix in _BINARY:
        return number * Decimal(2) ** _BINARY[suffix]
    power = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:])
    return number.scaleb(power)


def share(percent: str) -> float:
    """Read a percentage such as `99.9%` as a share of one. Raises ValueError outside 50 % to 99.99 %."""
    if not re.fullmatch(PERCENT, percent, re.ASCII):
        raise ValueError(f"not a percentage from 50% to 99.99%: {percent!r}")
    return float(Decimal(percent[:-1]) / 100)


def minutes(clock_time: str) -> int:
    """Read `HH:MM` as minutes since midnight; `24:00` is the day's end. Raises ValueError for anything else."""
    if not re.fullmatch(CLOCK_TIME, clock_time, re.ASCII):
        raise ValueError(f"not a time of day: {clock_time!r}")
    return int(clock_time[:2]) * 60 + int(clock_time[3:])
