"""Figures beside their goals, which `goals.toml` holds with the last ones that the changelog gave."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

GOALS = Path(__file__).with_name("goals.toml")


def of(section: str) -> Mapping[str, Any]:
    """The goals of a section by figure; empty where there is no such section."""
    found: Mapping[str, Any] = tomllib.loads(GOALS.read_text()).get(section, {})
    return found


def show(section: str, figures: Mapping[str, float | None], title: str = "") -> None:
    """Print each figure of a section with its goal and the last one. None was not measured, or did not come in time."""
    goals = of(section)
    table = Table(title=title or section)
    for heading in ("figure", "now", "goal", "last"):
        table.add_column(heading, justify="left" if heading == "figure" else "right")
    for name, value in figures.items():
        goal = goals[name]
        limit, at_least, last = goal["goal"], goal.get("at_least", False), goal.get("last")
        missed = value is None or (value < limit if at_least else value > limit)
        bound = f"{'at least' if at_least else 'at most'} {_number(limit)}"
        table.add_row(name, _number(value), bound, _number(last), style="red" if missed else None)
    Console().print(table)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
