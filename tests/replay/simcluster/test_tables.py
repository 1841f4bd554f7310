"""Ages as kubectl prints them, and columns that an object does not have."""

import pytest

from replay.simcluster.resources import SCALING_POLICIES
from replay.simcluster.tables import age, asked, table

MINUTE, HOUR, DAY = 60, 3600, 86_400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0, "0s"),
        (119.9, "119s"),
        (2 * MINUTE, "2m"),
        (3 * MINUTE + 20, "3m20s"),
        (10 * MINUTE + 20, "10m"),
        (179 * MINUTE, "179m"),
        (3 * HOUR, "3h"),
        (7 * HOUR + 5 * MINUTE, "7h5m"),
        (47 * HOUR, "47h"),
        (2 * DAY, "2d"),
        (4 * DAY + 6 * HOUR, "4d6h"),
        (30 * DAY + 6 * HOUR, "30d"),
    ],
)
def test_an_age_has_one_unit_or_two(seconds: float, text: str) -> None:
    assert age(seconds) == text


def test_only_a_client_that_wants_a_table_first_gets_one() -> None:
    table_first = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    assert [asked(accept) for accept in (table_first, "application/json", "*/*", "")] == [True, False, False, False]


def test_conditions_and_times_are_found_and_what_is_absent_is_empty() -> None:
    ready = [{"type": "Decided", "status": "False"}, {"type": "Ready", "status": "True"}]
    status = {"conditions": ready, "lastDecisionTime": "2026-05-04T09:30:00Z", "desiredReplicas": 0}
    held = {"metadata": {"name": "chat", "resourceVersion": "7"}, "spec": {"maxReplicas": 8}, "status": status}
    [row] = table(SCALING_POLICIES, held, 1_777_887_045.0)["rows"]
    found = dict(zip(["Name", *(column.name for column in SCALING_POLICIES.columns)], row["cells"], strict=True))
    assert {name: found[name] for name in ("Ready", "Decided", "Desired", "Max", "Current", "Age")} == {
        "Ready": "True",
        "Decided": "45s",
        "Desired": 0,
        "Max": 8,
        "Current": None,
        "Age": None,
    }
