"""Families of models, one a file. Each says what demand is expected step by step; how wide it scatters is learned apart."""

from typing import Protocol

from forecasting.series import Floats, Series


class Unfit(Exception):  # noqa: N818 - an answer, not a fault
    """A family cannot speak for a series; the text says why."""


class Model(Protocol):
    """A fitted member of a family. Picklable, and cheap to ask."""

    @property
    def family(self) -> str:
        """The family's name, as a fan shows it."""

    def paths(self, log_demand: Series, steps: int) -> Floats:
        """The expected next `steps` values at the end of each step of a filled series: one row a step."""
