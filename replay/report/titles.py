"""How a row of the standings is named and coloured."""

from rich.text import Text

from replay.contenders.contender import Entry
from replay.frontier import Pick

SUFFIXES = {None: "", Pick.AT_COST: ", at Outrider's cost", Pick.AT_ATTAINMENT: ", at Outrider's attainment"}


def title(contender: Entry, pick: Pick | None) -> Text:
    """The contender's name, and which pick of its sweep the row is; two picks of one contender differ in brightness."""
    style = f"bright_{contender.style}" if pick is Pick.AT_ATTAINMENT else contender.style
    return Text(contender.name + SUFFIXES[pick], style)
