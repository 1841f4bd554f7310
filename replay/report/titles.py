"""How a row of the standings is named and coloured."""

from rich.text import Text

from replay.frontier import Pick
from replay.tournament import Row

CLAIRVOYANT = "clairvoyant"


def title(row: Row) -> Text:
    """The contender's name and the value of its knob; two picks of one contender differ in brightness."""
    value = "" if row.knob_value is None else f" at {row.knob_value:g}"
    style = f"bright_{row.contender.style}" if row.pick is Pick.AT_ATTAINMENT else row.contender.style
    return Text(row.contender.name + value, style)
