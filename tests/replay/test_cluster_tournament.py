"""Several workloads on one cluster, played by Outrider with their pool and by peers for each."""

import json
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from policies.pool import PoolInputs, PoolResult, PoolState
from replay import cluster_tournament
from replay.cluster_contenders import Contending, Played, make
from replay.cluster_run import ClusterOutcome, run
from replay.cluster_tournament import ClusterRun, ClusterStandings
from replay.contenders.pooled import Pooled
from replay.report import cluster_document, cluster_table
from replay.scenario.assemble import cluster
from replay.scenario.files import load, parse

TEXT = """\
apiVersion: outrider.dev/v1alpha1
kind: Scenario
metadata: {name: two}
spec:
  duration: 20m
  pool:
    limits: {gpus: 12}
    standby: {maxNodes: 2, minNodes: 1}
    members:
    - {name: small, namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: small}}, maxGpus: 2, owner: interns}
    - {name: others, namespaceSelector: {}}
    offerings:
    - {name: spot, kind: Spot, pricePerGpuHour: "1.60", gpusPerNode: 1, maxNodes: 8}
    - {name: on-demand, kind: OnDemand, pricePerGpuHour: "3.90", gpusPerNode: 1}
  workloads:
  - &model
    name: chat
    trace: sample:office-morning
    scale: 3
    policy: {profile: 8b-h100, maxReplicas: 8}
    coldStart: {node: {p50: 30s, p95: 40s}, image: {p50: 10s, p95: 12s}, weights: {p50: 10s, p95: 12s}, warmup: {p50: 20s, p95: 25s}}
  - {<<: *model, name: code, namespace: small, start: 1d}
"""


@cache
def two() -> Played:
    file = parse(TEXT, "two.yaml", Path())
    return Played(cluster(file), {part.stated.name: part.workload for part in file.parts}, file.pool)


@cache
def outcome(contending: Contending, value: float | None = None) -> ClusterOutcome:
    return ClusterRun(two(), contending, value).play()


def test_a_pool_holds_its_standby_and_its_members_to_their_limits() -> None:
    found = outcome(Contending("outrider"))
    assert found.score.standby_gpu_hours > 0.0
    assert found.workloads["code"].score.timeline.spec_replicas.max() == 2  # maxGpus, whatever its traffic
    assert found.workloads["chat"].score.timeline.spec_replicas.max() > 2
    assert found.worst == found.workloads["code"].attainment < found.macro < 1.0
    assert sum(each.cost for each in found.score.offerings) == pytest.approx(found.score.cost)


def test_every_decision_of_the_pool_is_shown() -> None:
    decisions: list[tuple[PoolState, PoolInputs, PoolResult]] = []
    contender = make(two(), Contending("outrider"))
    assert isinstance(contender, Pooled)
    contender = replace(contender, watch=lambda *it: decisions.append(it))
    short = replace(two().scenario, duration_seconds=120.0)
    run(short, contender, {"chat": 5.0, "code": 5.0})
    ticks = [inputs.now_seconds for _, inputs, _ in decisions if inputs.on_grid]
    assert len(ticks) == 8
    last = decisions[-1][1]
    assert [each.workload for each in last.asks] == ["default/chat", "small/code"]
    assert {each.seat.owner for each in last.asks if each.seat} == {"interns", "others"}
    for (_, _, result), (before, _, _) in pairwise(decisions):
        assert before == result.state


def test_no_standby_can_be_given() -> None:
    assert outcome(Contending("outrider", 0)).score.standby_gpu_hours == 0.0


def test_outrider_can_be_played_without_the_pool() -> None:
    found = outcome(Contending("outrider", pool=False))
    assert found.score.standby_gpu_hours == 0.0
    assert found.workloads["code"].score.timeline.spec_replicas.max() > 2  # no maxGpus of its rule
    assert Contending("outrider", pool=False).name == "Outrider with no pool"
    assert Contending("outrider", pool=False).identity == "outrider_nopool"


@pytest.mark.slow
def test_who_floods_takes_nothing_from_the_others_of_a_pool() -> None:
    file = load("scenario:flood")
    played = Played(cluster(file), {part.stated.name: part.workload for part in file.parts}, file.pool)
    attained = [
        {name: each.attainment for name, each in ClusterRun(played, contending).play().workloads.items()}
        for contending in (Contending("outrider"), Contending("outrider", pool=False))
    ]
    pooled, alone = [{name: share for name, share in shares.items() if name != "flood"} for shares in attained]
    assert min(pooled.values()) >= 0.995  # so within half a point of what they have without the flood
    assert min(alone.values()) < 0.98
    assert attained[0]["flood"] < 0.2


def test_standby_and_pre_pull_can_be_given_to_peers() -> None:
    plain, given = outcome(Contending("token_rate"), 0.6), outcome(Contending("token_rate", 1, pre_pull=True), 0.6)
    assert plain.score.standby_gpu_hours == 0.0
    assert given.score.standby_gpu_hours > 0.1
    assert given.score.standby_taken > 0
    assert _starting_seconds(given) < _starting_seconds(plain)


def _starting_seconds(found: ClusterOutcome) -> float:
    lines = [each.score.timeline for each in found.workloads.values()]
    return float(sum((line.starting_replicas[:-1] * np.diff(line.seconds)).sum() for line in lines))


def test_one_that_needs_a_value_is_tuned_with_one_for_all() -> None:
    ran: list[ClusterRun] = []
    costs = {0.3: (30.0, 0.999), 0.6: (20.0, 0.995), 0.9: (10.0, 0.98)}
    base = outcome(Contending("outrider", 0))

    def plays(runs, progress):  # type: ignore[no-untyped-def]
        for place, each in enumerate(runs):
            ran.append(each)
            hours, share = costs.get(each.value or 0.0, (40.0, 1.0))
            score = replace(base.score, gpu_hours=hours)
            shares = {name: replace(it, attainment=share) for name, it in base.workloads.items()}
            yield place, replace(base, score=score, workloads=shares)

    found = cluster_tournament.play(
        two(), [(Contending("reactive"), None), (Contending("token_rate"), None)], plays=plays
    )
    reactive, tuned = found.rows
    assert reactive.run.value is None
    assert (tuned.run.value, tuned.attains) == (0.6, True)
    assert len(tuned.tried) == len(ran) - 1 > 5


def test_the_tables_and_the_document_show_every_contender() -> None:
    standings = ClusterStandings(
        two(),
        tuple(
            cluster_tournament.ClusterRow(ClusterRun(two(), each, value), outcome(each, value))
            for each, value in ((Contending("outrider"), None), (Contending("token_rate", 1, pre_pull=True), 0.6))
        ),
    )
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    cluster_table.show(console, standings, "two models")
    text = console.export_text()
    assert "two: two models" in text
    assert "HPA on token rate with 1 standby and pre-pull at 0.6" in text
    assert "wasted" in text
    document = json.loads(json.dumps(cluster_document.document(standings), allow_nan=False, default=str))
    assert [each["kind"] for each in document["contenders"]] == ["outrider", "token_rate_standby1_prepull"]
    assert set(document["contenders"][0]["workloads"]) == {"chat", "code"}
    assert document["contenders"][0]["macro_attainment"] == outcome(Contending("outrider")).macro
