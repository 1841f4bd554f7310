"""docs/traces.md names what the readers know: the query for Prometheus, the columns, the formats and the limits."""

import re
from pathlib import Path

import pytest

from crds.notation.units import DAY_SECONDS
from replay.simcluster import promql
from replay.traces import counters
from replay.traces.counters import COUNTERS
from replay.traces.files import BLOCK_BYTES, MOST_BYTES
from replay.traces.layouts import MOST_ROWS, MOST_TOKENS
from replay.traces.names import BIN_FIELDS, KNOWN, plain
from replay.traces.prometheus import MOST_POINTS, MOST_SERIES, selector
from replay.traces.tables import MOST_COLUMNS
from replay.traces.times import LONGEST_GAP_SECONDS, MOST_PER_SECOND, MOST_PUBLISHED_PER_SECOND, PUBLISHED
from replay.traces.trace import LONGEST_SECONDS

PAGE = (Path(__file__).parents[3] / "docs" / "traces.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")]


def names(cell: str) -> list[str]:
    return re.findall("`([^`]+)`", cell)


def test_the_query_finds_the_counters_of_the_named_pods() -> None:
    found = re.search("--data-urlencode 'query=(.+)'", PAGE)
    assert found
    assert found[1] == selector('namespace="llm",pod=~"chat-.*"')
    query = promql.parse(found[1])
    for name in (*COUNTERS, "vllm:num_requests_running"):
        labels = {"__name__": name, "namespace": "llm", "pod": "chat-0"}
        assert all(matcher.matches(labels) for matcher in query.matchers) == (name in COUNTERS)


@pytest.mark.parametrize("field", ["arrival", "prompt_tokens", "output_tokens"])
def test_the_names_of_a_field_are_known(field: str) -> None:
    row = next(row for row in ROWS if row[0] == f"`{field}`")
    assert {plain(name) for name in names(row[1])} <= set(KNOWN[field])


def test_the_columns_of_bins_are_named() -> None:
    assert all(f"`{field}`" in PAGE for field in BIN_FIELDS)


def test_the_formats_have_the_unit_of_their_publishers() -> None:
    formats = {tuple(plain(name) for name in names(row[1])[:2]): row[2] for row in ROWS if row[0].startswith("[")}
    assert formats == PUBLISHED | {("timestamp", "contexttokens"): "dates"}


def test_the_limits_are_those_of_the_readers() -> None:
    for limit in (
        f"over {MOST_TOKENS:,.0f} tokens",
        f"over {LONGEST_SECONDS / DAY_SECONDS:.0f} days",
        f"over {LONGEST_GAP_SECONDS / DAY_SECONDS:.0f} days",
        f"over {MOST_BYTES >> 30} GiB",
        f"over {MOST_ROWS:,} rows",
        f"{MOST_COLUMNS:,} columns",
        f"over {BLOCK_BYTES >> 20} MiB",
        f"more than {MOST_PER_SECOND:,.0f} requests a second ({MOST_PUBLISHED_PER_SECOND:,.0f} in a format",
        f"{MOST_POINTS:,} points",
        f"over {MOST_SERIES:,} series",
        f"a gap of up to {counters.LONGEST_GAP_SECONDS / 60:.0f} min",
    ):
        assert limit in PAGE
