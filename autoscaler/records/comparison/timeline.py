"""Means over time in a bounded number of bins: where they run out, two become one."""

from dataclasses import dataclass, field

BINS = 512
FIRST_BIN_SECONDS = 15.0  # the decision grid


@dataclass
class Series:
    """The mean of a step function in each bin. Time for which nothing was added counts for nothing."""

    weights: list[float] = field(default_factory=list)  # seconds
    sums: list[float] = field(default_factory=list)  # value times seconds

    def add(self, index: int, value: float, seconds: float) -> None:
        """Count a value for a while, within one bin."""
        missing = index + 1 - len(self.sums)
        self.weights += [0.0] * missing
        self.sums += [0.0] * missing
        self.weights[index] += seconds
        self.sums[index] += value * seconds

    def mean(self, start: int, end: int) -> float | None:
        """Over the bins from `start` to before `end`; None where nothing is known."""
        seconds = sum(self.weights[start:end])
        return sum(self.sums[start:end]) / seconds if seconds > 0.0 else None

    def halve(self) -> None:
        """Make one bin of two."""
        self.weights = [sum(self.weights[at : at + 2]) for at in range(0, len(self.weights), 2)]
        self.sums = [sum(self.sums[at : at + 2]) for at in range(0, len(self.sums), 2)]


@dataclass
class Timeline:
    """Demand, and the serving replicas of both sides. Bins start at `start_seconds` (Unix)."""

    start_seconds: float
    bin_seconds: float = FIRST_BIN_SECONDS
    demand: Series = field(default_factory=Series)
    ran: Series = field(default_factory=Series)
    outrider: Series = field(default_factory=Series)

    def add(self, at_seconds: float, seconds: float, demand: float | None, ran: float, outrider: float) -> None:
        """What held for `seconds` from `at_seconds` on."""
        while at_seconds - self.start_seconds >= BINS * self.bin_seconds:
            self.bin_seconds *= 2.0
            for series in (self.demand, self.ran, self.outrider):
                series.halve()
        index = int((at_seconds - self.start_seconds) // self.bin_seconds)
        for series, value in ((self.demand, demand), (self.ran, ran), (self.outrider, outrider)):
            if value is not None:
                series.add(index, value, seconds)

    @property
    def bins(self) -> int:
        """How many there are; all but the last are whole."""
        return len(self.ran.sums)
