"""JSON merge patch (RFC 7386)."""

from typing import Any

from replay.simcluster.resources import Json


def merge(held: Json, change: Json) -> Json:
    """The object with a patch applied: null removes a key, objects are merged, anything else replaces the value."""
    merged: dict[str, Any] = dict(held)
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            below = merged.get(key)
            merged[key] = merge(below if isinstance(below, dict) else {}, value)
        else:
            merged[key] = value
    return merged
