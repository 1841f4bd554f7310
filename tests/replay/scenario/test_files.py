"""Scenario files: what is read, what is filled in, and how a mistake is reported."""

from pathlib import Path

import pytest

from replay.commands.options import SCENARIOS, is_scenario
from replay.scenario.assemble import cluster
from replay.scenario.files import ScenarioFileError, load, parse, shipped

TWO = """\
apiVersion: outrider.dev/v1alpha1
kind: Scenario
metadata: {name: two}
spec:
  duration: 10m
  seed: 3
  pool:
    limits: {gpus: 8}
    offerings:
    - {name: spot, kind: Spot, pricePerGpuHour: "1.60", gpusPerNode: 1, maxNodes: 5}
    - {name: on-demand, kind: OnDemand, pricePerGpuHour: "3.90", gpusPerNode: 1}
  workloads:
  - name: chat
    namespace: search
    namespaceLabels: {team: search}
    trace: sample:office-morning
    policy: {profile: 8b-h100, maxReplicas: 6, minReplicas: 2}
    coldStart: {node: {p50: 30s, p95: 40s}}
    actuators: pre-pull
  - name: code
    trace: sample:office-morning
    scale: 1.5
    start: 1d
    offset: 2h
  outages:
  - {offering: spot, start: 2m, duration: 5m}
  offerings:
  - {name: spot, node: {p50: 50s, p95: 70s}}
"""


def read(text: str, folder: Path = Path()) -> str:
    with pytest.raises(ScenarioFileError) as raised:
        parse(text, "two.yaml", folder)
    return str(raised.value)


def test_a_file_is_read_with_its_policies_and_its_pool() -> None:
    found = parse(TWO, "two.yaml", Path())
    chat, code = (part.workload for part in found.parts)
    assert (chat.policy.name, chat.policy.min_replicas, chat.profile) == ("search/chat", 2, "8b-h100")
    assert (code.policy.name, code.policy.max_replicas, code.profile) == ("default/code", 400, "8b-l4")
    assert found.pool is not None
    assert [each.name for each in found.pool.pool.offerings] == ["spot", "on-demand"]
    seat = found.pool.seat("search", {"team": "search"})
    assert seat is not None
    assert seat.member == "everyone"


def test_all_workloads_are_played_on_one_clock() -> None:
    found = cluster(parse(TWO, "two.yaml", Path()))
    chat, code = found.workloads
    assert chat.scenario.start_seconds == code.scenario.start_seconds == found.start_seconds
    assert code.scenario.past is not None
    assert code.scenario.past.start_seconds + 86_400.0 + 7200.0 == found.start_seconds
    assert chat.scenario.seed != code.scenario.seed
    assert chat.scenario.hardware.cold_start.node.p50_seconds == 30.0
    assert code.scenario.hardware.cold_start.node.p50_seconds != 30.0
    assert chat.scenario.actuators.pre_pull
    assert not code.scenario.actuators.pre_pull
    spot, on_demand = found.offerings
    assert spot.node is not None
    assert (spot.node.p50_seconds, spot.max_nodes, on_demand.node) == (50.0, 5, None)
    (outage,) = found.outages
    assert (outage.start_seconds - found.start_seconds, outage.end_seconds - outage.start_seconds) == (120.0, 300.0)
    assert (found.seed, found.max_gpus, found.duration_seconds) == (3, 8, 600.0)


def test_a_seed_of_the_command_counts() -> None:
    file = parse(TWO, "two.yaml", Path())
    assert cluster(file, 4).seed == 4
    assert cluster(file, 4).workloads[0].scenario.seed != cluster(file).workloads[0].scenario.seed


def test_policies_and_pools_are_read_from_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "chat.yaml").write_text(
        "apiVersion: outrider.dev/v1alpha1\nkind: ScalingPolicy\nmetadata: {name: any}\n"
        "spec: {target: {name: llm}, maxReplicas: 7, mode: Shadow}\n"
    )
    (tmp_path / "pool.yaml").write_text(
        "apiVersion: outrider.dev/v1alpha1\nkind: GPUPool\nmetadata: {name: h100}\nspec:\n  owner: platform\n"
        "  offerings: [{name: all, kind: OnDemand, nodeSelector: {a: b}, pricePerGpuHour: 3, gpusPerNode: 1}]\n"
        "  members: [{name: everyone, namespaceSelector: {}}]\n"
    )
    text = (
        "apiVersion: outrider.dev/v1alpha1\nkind: Scenario\nmetadata: {name: one}\nspec:\n  duration: 10m\n"
        "  pool: pool.yaml\n  workloads: [{name: chat, trace: 'sample:office-morning', policy: chat.yaml}]\n"
    )
    found = parse(text, "one.yaml", tmp_path)
    assert found.parts[0].workload.policy.max_replicas == 7
    assert found.parts[0].workload.policy.mode == "Active"
    assert found.pool is not None
    assert found.pool.name == "h100"
    (tmp_path / "pool.yaml").unlink()
    with pytest.raises(
        ScenarioFileError, match=r"one.yaml:6: spec.pool: .*pool.yaml.*instead: a file with one GPUPool"
    ):
        parse(text, "one.yaml", tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("  duration: 10m", "  duration: 10", "two.yaml:5: spec.duration: 10: a duration needs a unit; instead: 10s"),
        (
            "maxReplicas: 6",
            "maxReplica: 6",
            "two.yaml:17: spec.workloads[0].policy.maxReplica: 6: there is no such field; instead: maxReplicas",
        ),
        (
            "  - {offering: spot, start: 2m",
            "  - {offering: sport, start: 2m",
            'two.yaml:26: spec.outages[0].offering: "sport": the pool has no such offering; instead: spot or on-demand',
        ),
        (
            "    scale: 1.5",
            "    scale: 0",
            "two.yaml:22: spec.workloads[1].scale: 0: not a number above 0 and up to 1000; instead: a number such as 1.5",
        ),
        (
            "  - name: code",
            "  - name: chat",
            'two.yaml:20: spec.workloads[1].name: "chat": the name of workloads[0] as well; instead: another name',
        ),
        (
            "kind: Spot",
            "kind: Spots",
            'two.yaml:10: spec.pool.offerings[0].kind: "Spots": not one of the allowed values; instead: Spot',
        ),
        ("  seed: 3", "  sed: 3", "two.yaml:6: spec.sed: 3: there is no such field; instead: seed"),
    ],
)
def test_a_mistake_is_named_with_its_line(old: str, new: str, line: str) -> None:
    assert old in TWO
    assert line in read(TWO.replace(old, new)).splitlines()


def test_a_contender_without_a_setting_takes_no_value() -> None:
    problem = read(TWO + "  contenders: [{name: outrider, value: 0.5}]\n")
    assert "spec.contenders[0].value: 0.5: it has no setting here; instead: no value" in problem


def test_a_pool_that_no_workload_joins_is_named() -> None:
    none = "    members: [{name: ads, namespaceSelector: {matchLabels: {team: ads}}}]\n    offerings:\n"
    problem = read(TWO.replace("    offerings:\n", none, 1))
    assert problem.startswith('two.yaml:7: spec.pool: "pool": no member of it selects a workload\'s namespace')
    parse(TWO.replace("    offerings:\n", none.replace("ads", "search"), 1), "two.yaml", Path())


def test_only_outrider_has_a_pool_to_do_without() -> None:
    peer = read(TWO + "  contenders: [{name: reactive, pool: false}]\n")
    assert "spec.contenders[0].pool: false: the pool decides for Outrider alone; instead: no pool" in peer
    ours = read(TWO + "  contenders: [{name: outrider, pool: false, standby: 2}]\n")
    assert "spec.contenders[0].standby: 2: without the pool nobody holds standby nodes" in ours


def test_what_is_no_yaml_or_no_scenario_is_refused() -> None:
    assert read("a: [").startswith("two.yaml:1: not valid YAML")
    assert read("").endswith("expected exactly one Scenario, found 0")
    assert "not an object; instead: a Scenario" in read("- 1")
    assert 'kind: "Pod"' in read("kind: Pod")


def test_a_trace_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = TWO.replace("trace: sample:office-morning", "trace: nowhere.csv", 1)
    with pytest.raises(ScenarioFileError, match=r"^two.yaml:13: spec.workloads\[0\]: .*nowhere.csv"):
        cluster(parse(missing, "two.yaml", tmp_path))
    unknown = TWO.replace("sample:office-morning", "sample:nothing", 1)
    with pytest.raises(ScenarioFileError, match="no sample 'nothing'; available"):
        cluster(parse(unknown, "two.yaml", tmp_path))


def test_the_shipped_scenarios_can_be_played() -> None:
    assert shipped() == SCENARIOS
    for name in shipped():
        found = cluster(load(f"scenario:{name}"))
        assert found.name == name
        assert found.offerings


def test_the_example_of_the_documentation_is_valid() -> None:
    page = (Path(__file__).parents[3] / "docs" / "replay.md").read_text()
    example = next(part for part in page.split("```") if "kind: Scenario" in part)
    found = parse(example.removeprefix("yaml\n"), "replay.md", Path())
    assert [part.stated.name for part in found.parts] == ["chat", "code"]
    given = [(each.name, each.standby, each.pool) for each in found.spec.contenders]
    assert given[1:] == [("outrider", 0, True), ("outrider", None, False), ("token_rate", 2, True)]


def test_an_unknown_scenario_says_which_there_are() -> None:
    with pytest.raises(ScenarioFileError, match="no scenario 'six'; available: flood, six-models"):
        load("scenario:six")
    with pytest.raises(ScenarioFileError, match=r"nowhere.yaml: No such file"):
        load("nowhere.yaml")


def test_a_scenario_is_told_from_a_trace_by_its_name() -> None:
    assert is_scenario("scenario:x")
    assert is_scenario("a/b.yml")
    assert not is_scenario("sample:office-morning")
    assert not is_scenario("week.csv")
