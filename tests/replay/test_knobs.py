"""The sweep of a policy's own knobs: which values, which points are worth it, and what is advised."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from crds.files import one_policy
from crds.workload import Workload
from replay.commands import processes
from replay.frontier import efficient
from replay.knobs import KNOBS, Point, Swept, sweep
from replay.optimum import MOST_RUNS
from replay.report.plot import scatter
from replay.report.sweep import advice, show
from replay.scenario.build import for_workload
from replay.scenario.policy import default
from replay.scenario.scenario import Scenario
from replay.traces.read import read
from tests.replay.synthetic_chat import POLICY, chat, replay
from tests.replay.test_frontier import outcome

ATTAINMENT, HOLD = KNOBS["attainment"], KNOBS["hold"]


def with_policy(**settings: float | None) -> Workload:
    workload = default()
    return replace(workload, policy=replace(workload.policy, **settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "settings", "values"),
    [
        ("attainment", {}, (0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)),
        ("attainment", {"attainment": 0.9999}, (0.998, 0.999, 0.9995, 0.9999)),
        ("attainment", {"attainment": 0.5}, (0.5, 0.8, 0.9, 0.95, 0.98)),
        ("hold", {}, (60.0, 120.0, 300.0, 541.0, 600.0, 900.0, 1800.0)),
        ("hold", {"hold_seconds": 0.0}, (0.0, 60.0, 120.0, 300.0, 600.0)),
        ("minimum", {}, (1, 2, 4, 8, 16)),
        ("minimum", {"min_replicas": 3, "max_replicas": 7}, (1, 2, 3, 4)),
        ("minimum", {"min_replicas": 2, "max_replicas": 2}, (1, 2)),
        ("prepared", {}, (0, 1, 2, 4, 8)),
        ("prepared", {"max_prepared_nodes": 2, "max_replicas": 4}, (0, 1, 2, 4)),
    ],
)
def test_the_values_lie_around_the_policys_own(key: str, settings: dict[str, float], values: tuple[float, ...]) -> None:
    workload = with_policy(**settings)
    assert KNOBS[key].values(workload) == values
    assert KNOBS[key].own(workload) in values


def test_turning_a_knob_changes_its_field_alone() -> None:
    workload = default()
    for knob in KNOBS.values():
        turned = knob.turned(workload, 2.0)
        assert knob.own(turned) == 2.0
        assert [other.own(turned) for other in KNOBS.values() if other is not knob and other.key != "hold"] == [
            other.own(workload) for other in KNOBS.values() if other is not knob and other.key != "hold"
        ]


def test_a_point_is_efficient_if_none_attains_as_much_for_less() -> None:
    cheap, fair, beaten, good = points = [
        Point(HOLD, float(at), outcome(*figures), own=False)
        for at, figures in enumerate([(8.0, 0.95), (10.0, 0.99), (12.0, 0.98), (14.0, 0.999)])
    ]
    twin = Point(HOLD, 9.0, outcome(10.0, 0.99), own=False)
    assert efficient([*points, twin]) == (cheap, fair, good)
    assert beaten not in efficient(points)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("knobs")
    chat(folder)
    (folder / "policy.yaml").write_text(POLICY)
    return folder


@pytest.fixture(scope="module")
def scenario(folder: Path) -> Scenario:
    return for_workload(
        read(folder / "chat.csv"), default(), scale=0.2, start_seconds=0, duration_seconds=None, past="none", seed=1
    )


@pytest.mark.parametrize(
    ("ours", "others", "sentences"),
    [
        pytest.param(
            (10.0, 0.98),
            [(60.0, 8.0, 0.95), (600.0, 10.8, 0.995), (900.0, 12.0, 0.999)],
            ["Cheapest change that reaches 99% within 5 s: scaleDown.hold 10m (+0.80 GPU-hours, 99.50%, "],
            id="misses",
        ),
        pytest.param(
            (10.0, 0.98),
            [(60.0, 8.0, 0.95), (600.0, 10.8, 0.985)],
            ["No single change tried reaches 99% within 5 s; the most, 98.50%, comes with scaleDown.hold 10m."],
            id="never reaches",
        ),
        pytest.param(
            (10.0, 0.98),
            [(60.0, 8.0, 0.991)],
            [
                "Cheapest change that reaches 99% within 5 s: scaleDown.hold 1m (-2.00 GPU-hours, 99.10%, ",
                "Cheapest change that still reaches 99%: scaleDown.hold 1m",
            ],
            id="better and cheaper",
        ),
        pytest.param(
            (10.0, 0.996),
            [(60.0, 8.0, 0.98), (120.0, 9.5, 0.991), (900.0, 12.0, 0.9985), (1800.0, 14.0, 1.0)],
            [
                "Cheapest change that halves the 0.4% of requests that wait over 5 s: scaleDown.hold 15m (+2.00 ",
                "Cheapest change that still reaches 99%: scaleDown.hold 2m (-0.50 ",
            ],
            id="meets",
        ),
        pytest.param(
            (10.0, 1.0),
            [(60.0, 9.0, 0.98)],
            [
                "With the policy as it is, no request waits over 5 s.",
                "No single change tried costs less and still reaches 99%.",
            ],
            id="perfect",
        ),
    ],
)
def test_the_knob_to_turn_is_named(
    scenario: Scenario, ours: tuple[float, float], others: list[tuple[float, float, float]], sentences: list[str]
) -> None:
    points = [Point(HOLD, 535.0, outcome(*ours), own=True)]
    points += [Point(HOLD, value, outcome(*figures), own=False) for value, *figures in others]
    *said, caution = advice(Swept(scenario, default(), outcome(*ours), tuple(points)))
    assert len(said) == len(sentences)
    assert [line[: len(start)] for line, start in zip(said, sentences, strict=True)] == sentences
    assert caution.startswith("This is one trace and one seed")


def test_of_equal_points_the_policy_itself_is_marked(scenario: Scenario) -> None:
    twin, own = Point(HOLD, 60.0, outcome(9.0, 0.99), own=False), Point(HOLD, 535.0, outcome(9.0, 0.99), own=True)
    again = Point(ATTAINMENT, 0.99, outcome(9.0, 0.99), own=True)
    swept = Swept(scenario, default(), own.outcome, (twin, own, again))
    assert [swept.is_efficient(point) for point in swept.points] == [False, True, True]


def test_a_sweep_plays_each_value_once_and_fits_60_columns(scenario: Scenario, folder: Path) -> None:
    workload = one_policy(str(folder / "policy.yaml")).workload
    done: list[float] = []
    swept = sweep(
        scenario,
        workload,
        [KNOBS["minimum"], KNOBS["prepared"]],
        progress=lambda _, runs, most: done.append(runs / most),
    )
    assert [(point.label, point.own) for point in swept.points] == [
        ("minReplicas 1", True), ("minReplicas 2", False), ("minReplicas 4", False),
        ("maxPreparedNodes 0", True), ("maxPreparedNodes 1", False), ("maxPreparedNodes 2", False),
        ("maxPreparedNodes 4", False),
    ]  # fmt: skip
    assert {run / (6 + MOST_RUNS) for run in range(1, 7)} | {1.0} <= set(done)
    assert done == sorted(done)
    assert swept.points[2].outcome.score.timeline.ready_replicas.min() >= 4  # the fleet begins at the minimum
    console = Console(width=60, record=True, file=io.StringIO(), force_terminal=True, color_system=None)
    show(console, swept, policy_source="policy llm/chat")
    lines = console.export_text().splitlines()
    assert all(len(line) <= 60 for line in lines)
    assert any(line.startswith("=") and line.endswith(swept_cold(swept)) for line in lines)
    assert any("Cheapest change" in line or "No single change" in line for line in lines)


def swept_cold(swept: Swept) -> str:
    return f"{swept.ours.score.cold_starts_met:,}"


def test_the_command_sweeps_asserts_and_writes_json(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "cores", lambda: 1)
    arguments = [str(folder / "chat.csv"), "--scale", "0.2", "--policy", str(folder / "policy.yaml")]
    code, out, err = replay(*arguments, "--sweep", "minimum", "--assert", "gpu-hours=0", "--json")
    assert code == 1
    assert err.startswith("FAIL  gpu-hours: ")
    found = json.loads(out)
    assert {point["knob"] for point in found["points"]} == {"minimum"}
    assert sum(point["own"] for point in found["points"]) == 1
    assert any(point["efficient"] for point in found["points"])
    assert found["scenario"]["seed"] == 0
    plain = json.loads(replay(*arguments, "--json")[1])
    (own,) = (point for point in found["points"] if point["own"])
    assert (
        own.items()
        >= {
            name: value
            for name, value in plain["contenders"][0].items()
            if name not in ("kind", "contender", "pick", "knob_value")
        }.items()
    )


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (
            ["--sweep", "holds"],
            "--sweep 'holds' is unknown; did you mean hold? All: attainment, hold, minimum, prepared, all",
        ),
        (["--sweep", "all", "--decision-log", "x.jsonl"], "leave one of them out"),
    ],
)
def test_a_sweep_that_cannot_be_played_is_refused(folder: Path, more: list[str], why: str) -> None:
    code, out, err = replay(str(folder / "chat.csv"), *more)
    assert (code, out) == (2, "")
    assert why in err


def test_a_plane_holds_its_points_and_the_line() -> None:
    assert scatter([(1.0, 0.0, "a"), (3.0, 2.0, "b"), (3.0, 2.0, "=")], 1.0, 3, 3) == ["  =", "...", "a  "]
    assert scatter([(1.0, 1.0, "a")], 1.0, 2, 2) == ["  ", "a."]
