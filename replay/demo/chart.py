"""Lines and bands in braille dots, two by four to a character."""

from collections.abc import Sequence

from rich.text import Text

DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # by column, from top to bottom
BLANK = 0x2800


class Chart:
    """A drawing of `columns` by `rows` characters over [0, x_top] and [0, y_top]. What is drawn later covers what was drawn before."""

    def __init__(self, columns: int, rows: int, x_top: float, y_top: float) -> None:
        self._columns, self._rows = columns, rows
        self._x_top, self._y_top = x_top, y_top
        self._cells: dict[tuple[int, int], tuple[int, str]] = {}  # (row, column) -> dots and style

    def line(self, points: Sequence[tuple[float, float]], style: str, *, every: int = 1) -> None:
        """A line that holds each value until the next point; with `every`, only each n-th dot is drawn."""
        before: int | None = None
        for x, value in self._held(points):
            y = self._y(value)
            low, high = (y, y) if before is None else (min(before, y), max(before, y))
            for dot in range(low, high + 1):
                if (x + dot) % every == 0:
                    self._dot(x, dot, style)
            before = y

    def band(self, lows: Sequence[tuple[float, float]], highs: Sequence[tuple[float, float]], style: str) -> None:
        """The area between two lines, as a dotted pattern."""
        for (x, low), (_, high) in zip(self._held(lows), self._held(highs), strict=True):
            for dot in range(self._y(low), self._y(high) + 1):
                if (x + dot) % 2 == 0:
                    self._dot(x, dot, style)

    def rows(self) -> list[Text]:
        """The rows of characters, from top to bottom."""
        drawn = []
        for row in range(self._rows):
            text = Text(no_wrap=True)
            for column in range(self._columns):
                dots, style = self._cells.get((row, column), (0, ""))
                text.append(chr(BLANK + dots), style)
            drawn.append(text)
        return drawn

    def _held(self, points: Sequence[tuple[float, float]]) -> list[tuple[int, float]]:
        """(dot, value) for each dot of the x axis from the first point to the last."""
        if not points:
            return []
        width = self._columns * 2
        places = [min(width - 1, max(0, int(x / self._x_top * width))) for x, _ in points]
        held, index = [], 0
        for x in range(places[0], places[-1] + 1):
            while index + 1 < len(places) and places[index + 1] <= x:
                index += 1
            held.append((x, points[index][1]))
        return held

    def _y(self, value: float) -> int:
        """Position in dots above the bottom."""
        height = self._rows * 4
        return min(height - 1, max(0, round(value / self._y_top * (height - 1))))

    def _dot(self, x: int, y: int, style: str) -> None:
        row, column = self._rows - 1 - y // 4, x // 2
        dots, _ = self._cells.get((row, column), (0, ""))
        self._cells[row, column] = dots | DOTS[x % 2][3 - y % 4], style
