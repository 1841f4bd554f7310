"""Which column of a table holds what: by its name, or as the user says."""

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from crds.resolve.problems import spell
from replay.traces.tables import listed
from replay.traces.trace import TraceError

ARRIVAL, PROMPT, OUTPUT, SESSION, DELAY = "arrival", "prompt_tokens", "output_tokens", "session_id", "delay"
REQUEST_FIELDS = (ARRIVAL, PROMPT, OUTPUT)
BIN_FIELDS = ("bin_start_s", "bin_s", "requests", PROMPT, OUTPUT)
FIELDS = (*REQUEST_FIELDS, SESSION, DELAY, *BIN_FIELDS[:3])

# Names as publishers and servers write them, without case, separators and a unit at the end. The first is ours.
KNOWN: Mapping[str, Sequence[str]] = {
    ARRIVAL: (
        "arrival", "arrivedat", "arrivaltime", "timestamp", "time", "datetime", "created", "createdat", "starttime", "ts",
    ),
    PROMPT: (
        "prompttokens", "inputtokens", "inputlength", "inputlen", "promptlength", "promptlen", "numprefilltokens",
        "numprompttokens", "contexttokens", "requesttokens", "usageprompttokens", "usageinputtokens",
    ),
    OUTPUT: (
        "outputtokens", "completiontokens", "outputlength", "outputlen", "numdecodetokens", "generatedtokens",
        "generationtokens", "responsetokens", "usagecompletiontokens", "usageoutputtokens",
    ),
    SESSION: ("sessionid",),
    DELAY: ("delay",),
}  # fmt: skip
UNIT = re.compile(r"[ _(-]+(?:in )?(?P<unit>[num]?s|seconds|milliseconds|microseconds|nanoseconds)\)?$")
LONGEST_UNIT = 20  # characters
UNITS = {"seconds": "s", "milliseconds": "ms", "microseconds": "us", "nanoseconds": "ns"}


def unit_named(column: str) -> str | None:
    """The unit of time at the end of a column's name, as in `arrival_s` and `time (ms)`."""
    match = UNIT.search(column.lower()[-LONGEST_UNIT:])
    return UNITS.get(match["unit"], match["unit"]) if match else None


def plain(column: str) -> str:
    """A column's name without case, separators and unit."""
    name = column.lower()
    return re.sub("[^a-z0-9]", "", name[:-LONGEST_UNIT] + UNIT.sub("", name[-LONGEST_UNIT:]))


def chosen(path: Path, names: Sequence[str], columns: Mapping[str, str]) -> dict[str, str]:
    """The column of each field of a table of requests or of bins. Raises TraceError where one is missing or unclear.

    `columns` has what the user says, by field; the other columns are found by their names.
    """
    found: dict[str, str] = {}
    for field, column in columns.items():
        if column not in names:
            raise TraceError(
                path, f"has no column {column!r}; its columns are {listed(names)}{_nearest(column, names)}"
            )
        found[field] = column
    of_bins = BIN_FIELDS[0] in names or any(field in found for field in BIN_FIELDS[:3])
    wanted = BIN_FIELDS if of_bins and ARRIVAL not in found else REQUEST_FIELDS
    by_name: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        by_name.setdefault(plain(name), []).append(name)
    for field in (*wanted, SESSION, DELAY):
        if field not in found and (candidates := _candidates(field, names, by_name)):
            if len(candidates) > 1:
                why = f"has more than one column for {field}, {' and '.join(candidates)}"
                raise TraceError(path, f"{why}; choose one with --columns {field}={candidates[0]}")
            found[field] = candidates[0]
    missing = [field for field in wanted if field not in found]
    if missing:
        near = next(filter(None, (_nearest(field, names) for field in missing)), "")
        why = f"has no column for {spell(missing, 'or')}; its columns are {listed(names)}{near}"
        named = ",".join(f"{field}=COLUMN" for field in missing)
        raise TraceError(path, f"{why}; name {'it' if len(missing) == 1 else 'them'} with --columns {named}")
    holders = {column: [field for field in found if found[field] == column] for column in found.values()}
    if shared := next((column for column, held in holders.items() if len(held) > 1), None):
        held = spell(holders[shared], "and")
        raise TraceError(path, f"cannot be {held} at once; name another column with --columns", column=shared)
    twice = [column for column in found.values() if names.count(column) > 1]
    if twice:
        raise TraceError(path, "appears more than once; keep one", column=twice[0])
    return found


def _candidates(field: str, names: Sequence[str], by_name: Mapping[str, Sequence[str]]) -> Sequence[str]:
    if field in names:
        return [field]
    known = KNOWN.get(field, ())
    if known and (ours := by_name.get(known[0])):
        return ours
    return [name for each in known for name in by_name.get(each, ())]


def _nearest(wanted: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(wanted.lower(), [name.lower() for name in names[:1000]], n=1, cutoff=0.5)
    if not close:
        return ""
    return f" (nearest: {next(name for name in names if name.lower() == close[0])})"
