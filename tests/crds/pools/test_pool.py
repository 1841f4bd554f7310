"""What a GPUPool becomes: the core's pool, seats by namespace, and the hours of its offerings."""

from datetime import UTC, datetime
from typing import Any

import pytest

from crds.kinds import GPU_POOL
from crds.pool import Taint
from crds.resolve.problems import Problem
from policies.pool import Limits, Offering, OfferingKind, Pool, Seat, StandbySettings
from tests.crds.pools.resources import MEMBER, OFFERING, a_pool, problems, resolved

WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri"]


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_a_small_pool_is_whole() -> None:
    found = resolved()
    assert (found.name, found.generation, found.uid, found.time_zone) == ("h100", 3, "u-1", "UTC")
    assert found.pool == Pool(
        "h100",
        "ml-platform",
        "",
        (Offering("on-demand", OfferingKind.ON_DEMAND, 3.9, 8),),
        Limits(None, None),
        StandbySettings(0, 0, 60.0),
    )
    assert found.seat("llm", {}) == Seat("everyone", "everyone", 0, 1.0, 0, None)
    [place] = found.offerings
    assert (place.name, place.node_selector, place.tolerations) == ("on-demand", {"pool": "on-demand"}, [])
    assert found.summary == "on-demand; for everyone; without a limit; no standby nodes"


def test_what_is_stated_of_all_nodes_holds_for_each_offering() -> None:
    own = {**OFFERING, "taints": [{"key": "spot"}, {"key": "gpu", "value": "yes"}], "capacityBuffer": "b"}
    found = resolved(nodeSelector={"gpu": "h100"}, taints=[{"key": "gpu", "value": "yes"}], offerings=[own])
    [place] = found.offerings
    assert place.node_selector == {"gpu": "h100", "pool": "on-demand"}
    assert place.taints == (Taint("gpu", "yes", "NoSchedule"), Taint("spot", "", "NoSchedule"))
    assert place.tolerations[0] == {"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}
    assert (place.capacity_buffer, found.node_selector) == ("b", {"gpu": "h100"})
    assert found.offering_of({"gpu": "h100", "pool": "on-demand", "zone": "a"}) is place
    assert found.offering_of({"pool": "on-demand"}) is None


@pytest.mark.parametrize(
    ("namespace", "labels", "member"),
    [
        ("llm", {"team": "search"}, "search"),
        ("llm", {"team": "ads"}, "products"),
        ("llm", {"team": "other"}, "named"),
        ("else", {"team": "other"}, None),
        ("else", {}, None),
        ("else", {"team": "mail", "trial": "yes"}, None),
    ],
)
def test_the_first_rule_that_selects_the_namespace_counts(
    namespace: str, labels: dict[str, str], member: str | None
) -> None:
    expressions = [
        {"key": "team", "operator": "In", "values": ["ads", "mail"]},
        {"key": "trial", "operator": "DoesNotExist"},
        {"key": "team", "operator": "NotIn", "values": ["none"]},
        {"key": "team", "operator": "Exists"},
    ]
    found = resolved(
        members=[
            {"name": "search", "namespaceSelector": {"matchLabels": {"team": "search"}}, "maxGpus": 4},
            {"name": "products", "namespaceSelector": {"matchExpressions": expressions}},
            {"name": "named", "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "llm"}}},
        ]
    )
    seat = found.seat(namespace, labels)
    assert (seat.member if seat else None) == member


def test_a_seat_is_what_the_rule_gives() -> None:
    rule = {**MEMBER, "owner": "Search", "priority": 7, "weight": 3, "guaranteedGpus": 2, "maxGpus": 9}
    assert resolved(members=[rule]).seat("a", {}) == Seat("everyone", "Search", 7, 3.0, 2, 9)


def hours(now: str, **offering: Any) -> tuple[bool, str | None]:
    found = resolved(timeZone="Europe/Berlin", offerings=[{**OFFERING, **offering}])
    is_open, change = found.is_open("on-demand", at(now))
    return is_open, None if change is None else datetime.fromtimestamp(change, UTC).strftime("%m-%d %H:%M")


NIGHTS = [
    {"days": WEEKDAYS, "start": "19:00", "end": "07:00"},
    {"days": ["Sat", "Sun"], "start": "00:00", "end": "24:00"},
]
BLOCK = [{"start": "2026-12-01T11:30:00Z", "end": "2026-12-03T11:30:00Z"}]


@pytest.mark.parametrize(
    ("now", "offering", "expected"),
    [
        ("2026-11-30 12:00", {}, (True, None)),
        ("2026-11-30 12:00", {"validity": BLOCK}, (False, "12-01 11:30")),
        ("2026-12-01 11:30", {"validity": BLOCK}, (True, "12-03 11:30")),
        ("2026-12-03 11:30", {"validity": BLOCK}, (False, None)),
        ("2026-12-01 12:00", {"validity": [*BLOCK, {"start": "2026-12-03T11:30:00Z"}]}, (True, None)),
        ("2026-11-01 12:00", {"validity": [{"end": "2026-12-03T11:30:00Z"}]}, (True, "12-03 11:30")),
        ("2026-12-01 12:00", {"calendar": NIGHTS}, (False, "12-01 18:00")),
        ("2026-12-01 18:00", {"calendar": NIGHTS}, (True, "12-02 06:00")),
        # Fri 19:00 to Sat 07:00, Saturday, Sunday; on Monday it opens again in the evening.
        ("2026-12-04 20:00", {"calendar": NIGHTS}, (True, "12-06 23:00")),
        ("2026-12-07 03:00", {"calendar": NIGHTS}, (False, "12-07 18:00")),
        ("2026-12-01 12:00", {"calendar": [{"start": "00:00", "end": "24:00"}]}, (True, None)),
        ("2026-12-01 12:00", {"validity": BLOCK, "calendar": NIGHTS}, (False, "12-01 18:00")),
        ("2026-12-02 12:00", {"validity": BLOCK, "calendar": NIGHTS}, (False, "12-02 18:00")),
        ("2026-12-02 19:00", {"validity": BLOCK, "calendar": NIGHTS}, (True, "12-03 06:00")),
        ("2026-12-03 07:00", {"validity": BLOCK, "calendar": NIGHTS}, (False, None)),
        ("2026-10-01 12:00", {"validity": BLOCK, "calendar": NIGHTS}, (False, "12-01 18:00")),
        ("2026-12-01 12:00", {"validity": BLOCK, "calendar": [{"start": "00:00", "end": "24:00"}]}, (True, "12-03 11:30")),
        # The clock goes back on 2026-10-25: the window ends at 07:00 local time, which is one hour later in UTC.
        ("2026-10-24 23:30", {"calendar": [{"start": "22:00", "end": "07:00"}]}, (True, "10-25 06:00")),
    ],
)  # fmt: skip
def test_an_offering_is_open_within_its_validity_and_its_calendar(
    now: str, offering: dict[str, Any], expected: tuple[bool, str | None]
) -> None:
    assert hours(now, **offering) == expected


def test_an_offering_that_is_not_there_is_closed() -> None:
    assert resolved().is_open("spot", 0.0) == (False, None)


@pytest.mark.parametrize(
    ("zone", "now", "name", "length_hours"),
    [
        ("UTC", "2026-11-26 23:59", "2026-11-26", 24),
        ("Europe/Berlin", "2026-11-26 23:30", "2026-11-27", 24),
        ("Europe/Berlin", "2026-10-25 12:00", "2026-10-25", 25),
        ("Europe/Berlin", "2026-03-29 12:00", "2026-03-29", 23),
    ],
)
def test_the_day_is_the_time_zones(zone: str, now: str, name: str, length_hours: int) -> None:
    day = resolved(timeZone=zone).day(at(now))
    assert (day.name, (day.end_seconds - day.start_seconds) / 3600) == (name, length_hours)
    assert day.start_seconds <= at(now) < day.end_seconds


@pytest.mark.parametrize(
    ("spec", "path", "why", "instead"),
    [
        ({"offerings": [OFFERING, OFFERING]}, "spec.offerings[1].name", "offerings[0] already has this name", "different"),
        ({"members": [MEMBER, MEMBER]}, "spec.members[1].name", "spec.members[0] already has this name", "different"),
        ({"limits": {"gpus": 8}, "members": [{**MEMBER, "guaranteedGpus": 9}]}, "spec.limits.gpus", "add up to more", "sum"),
        ({"members": [{"name": "a"}]}, "spec.members[0].namespaceSelector", "required", "{matchLabels: {team: search}}"),
        ({"offering": []}, "spec.offering", "there is no such field", "offerings"),
        ({"timeZone": "Europe/Berln"}, "spec.timeZone", "no such time zone", "Europe/Berlin"),
        ({"standby": {"hold": 60}}, "spec.standby.hold", "a duration needs a unit", "1m"),
        ({"owner": "a\nb"}, "spec.owner", "not a line of text", "one line"),
        (
            {"offerings": [{**OFFERING, "validity": [{"start": "2026-02-30T00:00:00Z"}]}]},
            "spec.offerings[0].validity[0].start",
            "there is no such day",
            "2026-12-01T11:30:00Z",
        ),
        (
            {"offerings": [{**OFFERING, "capacityBuffer": "a"}, {**OFFERING, "name": "b", "capacityBuffer": "a"}]},
            "spec.offerings[1].capacityBuffer",
            "two offerings have the same",
            "of its own",
        ),
    ],
)  # fmt: skip
def test_each_mistake_is_one_problem(spec: dict[str, Any], path: str, why: str, instead: str) -> None:
    [found] = problems(**spec)
    assert found.path == path
    assert why in found.why
    assert instead in found.instead


@pytest.mark.parametrize("name", ["h100.eu", "x" * 64])
def test_the_name_can_be_a_labels_value(name: str) -> None:
    found = GPU_POOL.resolve(a_pool(name))
    assert isinstance(found, list)
    assert [problem.path for problem in found] == ["metadata.name"]


@pytest.mark.parametrize("junk", [None, 3, [], {}, "x", [None], [3], {"a": None}, {"members": 3}])
def test_junk_is_a_problem_and_no_crash(junk: Any) -> None:
    for member in ("offerings", "members", "limits", "standby", "nodeSelector", "taints"):
        found = GPU_POOL.resolve(a_pool(**{member: junk}))
        assert not isinstance(found, list) or all(isinstance(each, Problem) for each in found)
    for member in ("validity", "calendar", "nodeSelector", "capacityBuffer"):
        GPU_POOL.resolve(a_pool(offerings=[{**OFFERING, member: junk}]))
        GPU_POOL.resolve(a_pool(members=[{**MEMBER, "namespaceSelector": junk}]))
    for document in (junk, {**a_pool(), "spec": junk}):
        assert isinstance(GPU_POOL.resolve(document), list)


def test_an_amount_below_zero_is_named_as_that() -> None:
    [problem] = problems(limits={"usdPerDay": -1})
    assert (problem.path, problem.why, problem.instead) == ("spec.limits.usdPerDay", "below 0", "0 or more")
