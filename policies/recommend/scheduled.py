"""Scheduled windows: their minimum is held, from one lead time ahead."""

from policies.model import Reason, Rule, Window


def scheduled(windows: tuple[Window, ...], now_seconds: float, lead_seconds: float) -> Reason | None:
    """The largest minimum of the windows that are open or will open within the lead; None without any."""
    due = [window for window in windows if window.start_seconds - lead_seconds <= now_seconds < window.end_seconds]
    if not due:
        return None
    window = max(due, key=lambda item: item.min_replicas)
    numbers = (("starts_in_seconds", max(0.0, window.start_seconds - now_seconds)), ("lead_seconds", lead_seconds))
    return Reason(Rule.SCHEDULED, float(window.min_replicas), numbers, window.name)
