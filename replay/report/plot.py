"""Areas of block characters: a row of text or more for each series, all on one scale."""

from collections.abc import Sequence

BLOCKS = " ▁▂▃▄▅▆▇█"
ASCII = " .:-=+*#@"


def area(values: Sequence[float], top: float, height: int, *, unicode: bool = True) -> list[str]:
    """The rows of an area from 0 to `top`, the upper one first. What is above 0 always shows."""
    levels = BLOCKS if unicode else ASCII
    steps = len(levels) - 1
    filled = [
        0 if value <= 0.0 else max(1, round(min(value / top, 1.0) * steps * height)) if top > 0.0 else 0
        for value in values
    ]
    rows = (row for row in range(height - 1, -1, -1))
    return ["".join(levels[min(max(count - row * steps, 0), steps)] for count in filled) for row in rows]
