"""What `outrider check` warns of where the files have a pool and the policies that join it."""

from pathlib import Path
from typing import Any

import pytest

from crds.files import inspect_files, pools
from crds.pool import GpuPool
from tests.crds.pools.resources import MEMBER, OFFERING, a_namespace, a_policy, a_pool, warnings

SEARCH = {"name": "search", "namespaceSelector": {"matchLabels": {"team": "search"}}, "maxGpus": 8}
SPOT = {**OFFERING, "name": "spot", "nodeSelector": {"pool": "spot"}, "taints": [{"key": "spot"}]}


def deployment(name: str = "chat", kind: str = "Deployment", **spec: Any) -> dict[str, Any]:
    about = {"name": name, "namespace": "llm"}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": about, "spec": {"template": {"spec": spec}}}


def said(folder: Path, *resources: dict[str, Any], now_seconds: float | None = None) -> list[tuple[str, str, str, str]]:
    found = warnings(folder, *resources, now_seconds=now_seconds)
    return [(title, problem.path, problem.why, problem.instead) for title, problem in found]


def test_what_fits_together_is_no_warning(tmp_path: Path) -> None:
    assert said(tmp_path, a_pool(), a_policy(), deployment(nodeSelector={"pool": "on-demand"})) == []
    assert said(tmp_path, a_pool(members=[SEARCH]), a_policy(), a_namespace(team="search")) == []


def test_a_pool_that_is_not_in_the_files(tmp_path: Path) -> None:
    [(title, path, why, instead)] = said(tmp_path, a_pool("h100"), a_policy(pool="h10"))
    assert (title, path, instead) == ("ScalingPolicy llm/chat", "spec.pool", "h100")
    assert "no GPUPool of the files has this name" in why
    assert said(tmp_path, a_policy(pool="h10"), a_namespace()) == []  # the pools are kept elsewhere


def test_a_namespace_that_no_member_selects(tmp_path: Path) -> None:
    pool = a_pool(members=[SEARCH])
    [(title, path, why, _)] = said(tmp_path, pool, a_policy(), a_namespace(team="ads"))
    assert (title, path) == ("ScalingPolicy llm/chat", "spec.pool")
    assert why == "no member of GPUPool h100 selects namespace llm, so the workload does not grow"
    assert said(tmp_path, pool, a_policy(), a_namespace("else")) == []  # the labels of llm are not known
    named = {"name": "a", "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "else"}}}
    [(_, _, why, _)] = said(tmp_path, a_pool(members=[named]), a_policy(), a_namespace("else"))
    assert "selects namespace llm" in why  # the name is enough


def test_a_minimum_above_what_is_granted(tmp_path: Path) -> None:
    policy = a_policy(minReplicas=9)
    for pool, labels in (
        (a_pool(members=[SEARCH]), {"team": "search"}),
        (a_pool(limits={"gpus": 8}), {}),
        (a_pool(members=[SEARCH, MEMBER], limits={"gpus": 8}), {}),
    ):
        [(title, path, why, instead)] = said(tmp_path, pool, policy, a_namespace(**labels))
        assert (title, path, instead) == ("ScalingPolicy llm/chat", "spec.minReplicas", "minimums of at most 8")
        assert why == "its highest minimum needs 9 GPUs, and GPUPool h100 grants it at most 8"
    window = {"name": "day", "start": "08:00", "end": "18:00", "minReplicas": 9}
    assert said(tmp_path, a_pool(limits={"gpus": 8}), a_policy(schedules=[window]), a_namespace())
    assert said(tmp_path, a_pool(limits={"gpus": 9}), policy, a_namespace()) == []


def test_a_minimum_that_only_the_guarantees_of_others_stand_against(tmp_path: Path) -> None:
    pool = a_pool(members=[{**SEARCH, "guaranteedGpus": 8}, MEMBER], limits={"gpus": 12})
    policy, theirs = a_policy(minReplicas=6), a_policy("rank", "search")
    namespaces = a_namespace(), a_namespace("search", team="search")
    [(title, _, why, instead)] = said(tmp_path, pool, policy, theirs, *namespaces)
    assert (title, instead) == ("ScalingPolicy llm/chat", "minimums of at most 4")
    assert why.endswith("grants it at most 4, as it guarantees 8 to others")
    assert said(tmp_path, pool, policy, *namespaces, a_policy("rank", "else")) == []  # none of that rule has joined


def test_minimums_that_are_too_many_together(tmp_path: Path) -> None:
    policies = [a_policy("chat", minReplicas=5), a_policy("code", minReplicas=7)]
    why = "the highest minimums of the policies in the files need 12 GPUs: llm/code 7 and llm/chat 5"
    instead = "12 or more, or smaller minimums"
    assert said(tmp_path, a_pool(limits={"gpus": 8}), *policies) == [("GPUPool h100", "spec.limits.gpus", why, instead)]
    pool, namespace = a_pool(members=[SEARCH, MEMBER]), a_namespace(team="search")
    assert said(tmp_path, pool, namespace, *policies) == [("GPUPool h100", "spec.members[0].maxGpus", why, instead)]
    many = [a_policy(f"m{i}", minReplicas=2) for i in range(8)]
    [(_, _, why, _)] = said(tmp_path, a_pool(limits={"gpus": 8}), *many)
    assert why.endswith("need 16 GPUs: llm/m0 2, llm/m1 2, llm/m2 2, llm/m3 2, llm/m4 2 and 3 more")


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"nodeSelector": {"pool": "on-demand"}}, "their nodeSelector wants pool=on-demand, and its nodes have spot"),
        ({"nodeSelector": {"zone": "a"}}, "they do not tolerate its taint spot:NoSchedule"),
    ],
)
def test_an_offering_that_the_pods_cannot_land_on(tmp_path: Path, spec: dict[str, Any], reason: str) -> None:
    [(title, path, why, _)] = said(tmp_path, a_pool(offerings=[OFFERING, SPOT]), a_policy(), deployment(**spec))
    assert (title, path) == ("ScalingPolicy llm/chat", "spec.pool")
    assert why == f"the pods of Deployment chat cannot land on its offering spot: {reason}"


def test_a_replica_that_no_node_of_an_offering_holds(tmp_path: Path) -> None:
    small = {**OFFERING, "gpusPerNode": 1}
    [(_, path, why, _)] = said(tmp_path, a_pool(offerings=[small]), a_policy(profile="70b-tp4-h100"))
    assert (path, why) == ("spec.pool", "a replica needs 4 GPUs, and a node of its offering on-demand has 1")
    several = {"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet", "name": "chat"}
    assert said(tmp_path, a_pool(offerings=[small]), a_policy(profile="70b-tp4-h100", target=several)) == []


def test_an_offering_that_has_ended(tmp_path: Path) -> None:
    ended = {**OFFERING, "validity": [{"end": "2026-11-01T00:00:00Z"}]}
    assert said(tmp_path, a_pool(offerings=[ended])) == []
    [(_, path, why, _)] = said(tmp_path, a_pool(offerings=[ended]), now_seconds=1.9e9)
    assert path == "spec.offerings[0].validity"
    assert why == "its last period ended on 2026-11-01T00:00:00Z, so the offering is closed for good"
    assert said(tmp_path, a_pool(offerings=[ended]), now_seconds=1.7e9) == []
    assert said(tmp_path, a_pool(), now_seconds=1.9e9) == []


def test_two_pools_do_not_count_the_same_nodes(tmp_path: Path) -> None:
    narrow = {**OFFERING, "nodeSelector": {"pool": "on-demand", "zone": "a"}}
    [(title, path, why, _)] = said(tmp_path, a_pool("a"), a_pool("b", offerings=[narrow]))
    assert (title, path) == ("GPUPool b", "spec.offerings[0].nodeSelector")
    assert why == "all of its nodes belong to offering on-demand of GPUPool a as well, and would count twice"
    assert said(tmp_path, a_pool("a"), a_pool("b", offerings=[SPOT])) == []


def test_two_pools_do_not_share_a_name(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text(str(a_pool()).replace("'", '"'), encoding="utf-8")
    _, found = inspect_files([str(tmp_path)]).resources
    [(_, problem)] = found.problems
    assert (problem.path, problem.value) == ("metadata.name", "h100")


def test_a_folder_may_be_for_another_cluster(tmp_path: Path) -> None:
    """The pool of the policy's own folder counts, where each folder has one of the name."""
    for folder, limit in (("east", 8), ("west", 64)):
        (tmp_path / folder).mkdir()
        for name, resource in (("pool", a_pool(limits={"gpus": limit})), ("policy", a_policy(minReplicas=9))):
            (tmp_path / folder / f"{name}.json").write_text(str(resource).replace("'", '"'), encoding="utf-8")
    found = inspect_files([str(tmp_path)]).resources
    minimums = [each.file for each in found for _, problem in each.warnings if problem.path == "spec.minReplicas"]
    assert minimums == [str(tmp_path / "east" / "policy.json")]


def test_a_warning_has_the_line_of_its_member(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(
        "apiVersion: v1\nkind: List\nitems:\n"
        "- apiVersion: outrider.dev/v1alpha1\n  kind: ScalingPolicy\n  metadata: {name: chat}\n"
        "  spec:\n    target: {name: a}\n    maxReplicas: 3\n    pool: h10\n"
        f"- {a_pool()!s}\n",
        encoding="utf-8",
    )
    policy, _ = inspect_files([str(file)]).resources
    [(line, problem)] = policy.warnings
    assert (line, problem.path) == (10, "items[0].spec.pool")


def test_pools_are_read_from_files(tmp_path: Path) -> None:
    (tmp_path / "pool.json").write_text(str([a_pool(), a_policy()][0]).replace("'", '"'), encoding="utf-8")
    [found] = pools(str(tmp_path))
    assert isinstance(found.pool, GpuPool)
    assert (found.pool.name, found.where) == ("h100", f"{tmp_path}/pool.json:1")
