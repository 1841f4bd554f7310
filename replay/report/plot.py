"""Plots made of characters: areas, a row or more for each series on one scale; and points in a plane."""

from collections.abc import Sequence

BLOCKS = " ▁▂▃▄▅▆▇█"
ASCII = " .:-=+*#@"
LINE = "."


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


def scatter(points: Sequence[tuple[float, float, str]], line: float, columns: int, rows: int) -> list[str]:
    """The rows of a plane that just holds all points (x, y, mark), and a dotted line at the height `line`, the upper row first.

    Of two points in one place the later one shows.
    """
    across = [x for x, _, _ in points]
    up = [*(y for _, y, _ in points), line]

    def place(value: float, axis: Sequence[float], cells: int) -> int:
        span = max(axis) - min(axis)
        return round((value - min(axis)) / span * (cells - 1)) if span else 0

    plane = [[" "] * columns for _ in range(rows)]
    plane[place(line, up, rows)] = [LINE] * columns
    for x, y, mark in points:
        plane[place(y, up, rows)][place(x, across, columns)] = mark
    return ["".join(row) for row in reversed(plane)]
