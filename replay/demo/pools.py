"""The pools at the end of a run, as `kubectl get gpupool` lists them."""

from collections.abc import Mapping, Sequence


def listing(pools: Sequence[Mapping[str, object]]) -> str:
    """A heading and a line for each pool, in columns as wide as they need to be."""
    if not pools:
        return ""
    names = list(pools[0])
    rows = [[name.upper() for name in names], *([_cell(each.get(name)) for name in names] for each in pools)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(names))]
    lines = ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(["$ kubectl get gpupool", *lines, ""])


def _cell(value: object) -> str:
    return "" if value is None else str(value)
