"""The generated CRD: structural, bounded, whole, and just what is committed."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from kubernetes import client as official
from kubernetes_asyncio import client as asyncio_client

from crds import build
from crds.kinds import GPU_POOL, KINDS, SCALING_POLICY, Kind
from crds.pool import GpuPool
from crds.profiles import PROFILES
from crds.structural import defaulted, described, structural
from crds.v1alpha1.fields import Model
from crds.v1alpha1.gpupool_status import Status as GPUPoolStatus
from crds.v1alpha1.scalingpolicy import Spec
from crds.workload import Workload
from tests.crds.pools.resources import MEMBER, OFFERING, a_pool
from tests.e2e.test_crd import EXPLAINED, POOL_COLUMNS, POOL_STATUS
from tests.sentences import descriptions

ROOT = Path(__file__).parents[2]
KEYWORDS = {
    "additionalProperties",
    "maxProperties",
    "minProperties",
    "anyOf", "default", "description", "enum", "format", "items", "maxItems", "maxLength", "maximum", "minItems",
    "minLength", "minimum", "pattern", "properties", "required", "type", "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys", "x-kubernetes-list-type", "x-kubernetes-validations",
}  # fmt: skip


def version(kind: Kind[Any, Any] = SCALING_POLICY) -> dict[str, Any]:
    return cast(dict[str, Any], build.crd(kind)["spec"]["versions"][0])


def nodes(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every node of the schema, by path."""
    yield path, node
    for name, member in node.get("properties", {}).items():
        yield from nodes(member, f"{path}.{name}")
    if "items" in node:
        yield from nodes(node["items"], f"{path}[]")
    if node.get("additionalProperties"):
        yield from nodes(node["additionalProperties"], f"{path}[]")


ALL = {
    f"{kind.name}{path}": node
    for kind in KINDS
    for path, node in nodes(version(kind)["schema"]["openAPIV3Schema"])
}  # fmt: skip
NODES = dict(nodes(version()["schema"]["openAPIV3Schema"]))  # of ScalingPolicy
POOL_NODES = dict(nodes(version(GPU_POOL)["schema"]["openAPIV3Schema"]))


@pytest.mark.parametrize("name", build.files())
def test_what_is_committed_is_what_the_models_give(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == build.files()[name], "run make generate"


def test_nothing_is_written_where_nothing_changed(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "deploy").mkdir()
    outdated = (ROOT / "deploy/rbac.yaml").read_text(encoding="utf-8").replace("scalingpolicies", "scalingpolicys")
    (tmp_path / "deploy/rbac.yaml").write_text(outdated, encoding="utf-8")
    build.main(tmp_path)
    assert capsys.readouterr().out.splitlines() == list(build.files())
    build.main(tmp_path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("path", ALL)
def test_every_node_is_structural(path: str) -> None:
    node = ALL[path]
    assert set(node) <= KEYWORDS
    if node.get("x-kubernetes-int-or-string"):
        assert node["anyOf"] == [{"type": "integer"}, {"type": "string"}]
    else:
        assert "anyOf" not in node
        assert node["type"] in ("object", "array", "string", "integer", "boolean")
    assert ("properties" in node) <= (node.get("type") == "object")
    assert ("items" in node) == (node.get("type") == "array")
    assert ("additionalProperties" in node) <= ("properties" not in node)
    assert set(node.get("required", ())) <= set(node.get("properties", ()))


@pytest.mark.parametrize("path", [path for path in ALL if path.partition(".")[2].startswith(("spec", "status"))])
def test_every_node_is_bounded_and_explained(path: str) -> None:
    """Bounds keep the estimated cost of the CEL rules within what the API server allows."""
    node = ALL[path]
    assert node.get("description") or path.endswith("[]")
    if node.get("type") == "array":
        assert "maxItems" in node
    if "additionalProperties" in node:
        assert "maxProperties" in node
    if node.get("type") == "string":
        assert "maxLength" in node or "enum" in node
    if node.get("type") == "integer" and ".spec" in path:
        assert {"minimum", "maximum"} <= set(node)
    if node.get("x-kubernetes-list-type") == "map":
        assert set(node["x-kubernetes-list-map-keys"]) <= set(node["items"]["required"])


@pytest.mark.parametrize(("default", "shown"), [("5s", "5s"), (0, "0"), (True, "true")])
def test_a_default_is_explained_as_one_writes_it(default: object, shown: str) -> None:
    assert build._explained({"description": "X.", "default": default})["description"] == f"X. Default: {shown}."


def test_defaults_are_valid_and_give_the_same_policy() -> None:
    """What the API server stores resolves to what was written."""
    written = {
        "apiVersion": "outrider.dev/v1alpha1",
        "kind": "ScalingPolicy",
        "metadata": {"name": "chat"},
        "spec": {"target": {"name": "chat-vllm"}, "maxReplicas": 3},
    }
    stored = defaulted(written, version()["schema"]["openAPIV3Schema"])
    assert isinstance(stored, dict)
    assert stored["spec"]["slo"] == {"queueWait": "5s", "attainment": "99%"}
    assert stored["spec"]["scaleDown"] == {"maxPercentPerMinute": 25}
    assert isinstance(SCALING_POLICY.resolve(stored), Workload)
    assert SCALING_POLICY.resolve(stored) == SCALING_POLICY.resolve(written)


def test_defaults_of_a_pool_are_valid_and_give_the_same_pool() -> None:
    written = a_pool()
    stored = defaulted(written, version(GPU_POOL)["schema"]["openAPIV3Schema"])
    assert isinstance(stored, dict)
    assert stored["spec"]["standby"] == {"maxNodes": 0, "minNodes": 0, "hold": "60s"}
    assert stored["spec"]["members"][0] == {
        "name": "everyone",
        "namespaceSelector": {"matchLabels": {}, "matchExpressions": []},
        "priority": 0,
        "weight": 1,
        "guaranteedGpus": 0,
    }
    assert isinstance(GPU_POOL.resolve(stored), GpuPool)
    assert GPU_POOL.resolve(stored) == GPU_POOL.resolve(written)


def test_what_a_pool_must_have() -> None:
    assert POOL_NODES[".spec"]["required"] == ["owner", "offerings", "members"]
    assert POOL_NODES[".spec.offerings[]"]["required"] == [
        "name",
        "kind",
        "nodeSelector",
        "pricePerGpuHour",
        "gpusPerNode",
    ]
    assert POOL_NODES[".spec.members[]"]["required"] == ["name", "namespaceSelector"]
    assert (POOL_NODES[".spec.offerings"]["maxItems"], POOL_NODES[".spec.members"]["maxItems"]) == (16, 64)


def test_names_columns_and_status_of_a_pool() -> None:
    spec = build.crd(GPU_POOL)["spec"]
    assert (spec["scope"], spec["names"]["plural"], spec["names"]["shortNames"]) == ("Cluster", "gpupools", ["gpool"])
    columns = [column["name"] for column in version(GPU_POOL)["additionalPrinterColumns"] if "priority" not in column]
    assert [name.upper() for name in ("Name", *columns)] == POOL_COLUMNS
    for column in version(GPU_POOL)["additionalPrinterColumns"]:
        path = column["jsonPath"].partition("[")[0]
        assert path in POOL_NODES or path == ".metadata.creationTimestamp"
    assert GPUPoolStatus.model_validate(POOL_STATUS).held_gpus == 16


def test_only_the_target_and_the_maximum_are_required() -> None:
    assert NODES[""]["required"] == ["spec"]
    assert NODES[".spec"]["required"] == ["target", "maxReplicas"]
    assert NODES[".spec.target"]["required"] == ["name"]


@pytest.mark.parametrize(
    ("kind", "rule"),
    [pytest.param(kind, rule, id=f"{kind.name}.{rule.path}") for kind in KINDS for rule in kind.rules],
)
def test_every_rule_stands_in_the_schema_where_it_belongs(kind: Kind[Any, Any], rule: Any) -> None:
    at = f"{kind.name}.{rule.at}".rstrip(".")
    placed = [it for it in ALL[at]["x-kubernetes-validations"] if it["rule"] == rule.cel]
    assert [it["message"] for it in placed] == [rule.message]
    assert placed[0]["fieldPath"].removeprefix(".") in ALL[at]["properties"]
    assert len(rule.message) <= 2048
    assert "\n" not in rule.message


def test_a_refused_signal_is_refused_with_its_reason_not_by_an_enum() -> None:
    """The API server does not come to its rules once an enum has failed."""
    assert "enum" not in NODES[".spec.signal"]
    assert NODES[".spec.minReplicas"]["minimum"] == 0


def test_names_columns_and_status() -> None:
    spec = build.crd(SCALING_POLICY)["spec"]
    assert (spec["group"], spec["scope"], spec["names"]["shortNames"]) == ("outrider.dev", "Namespaced", ["scpol"])
    assert version()["subresources"] == {"status": {}}
    columns = [column["name"] for column in version()["additionalPrinterColumns"] if "priority" not in column]
    assert columns == ["Mode", "Target", "Min", "Max", "Current", "Desired", "Prepared", "Ready", "Decided", "Age"]
    for column in version()["additionalPrinterColumns"]:
        path = column["jsonPath"].partition("[")[0]
        assert path in NODES or path == ".metadata.creationTimestamp"
    assert NODES[".status.conditions"]["x-kubernetes-list-map-keys"] == ["type"]


def test_descriptions_include_what_kubectl_explain_leaves_out() -> None:
    descriptions = {path: node.get("description", "") for path, node in NODES.items()}
    assert descriptions[".spec.mode"].endswith("in the status. Default: Active.")
    assert descriptions[".spec.slo.queueWait"].endswith(" Default: 5s.")
    assert descriptions[".spec.target.name"] == "Name of the target. Example: chat-vllm."
    assert not [path for path, text in descriptions.items() if path.startswith(".") and "\n" in text]


@pytest.mark.parametrize("manifest", [*yaml.safe_load_all(build.files()["deploy/00-crd.yaml"])])
def test_both_clients_read_it(manifest: dict[str, Any]) -> None:
    read = official.V1CustomResourceDefinition.from_dict(manifest)
    assert read is not None
    assert json.loads(read.to_json()) == manifest

    client = asyncio_client.ApiClient.__new__(asyncio_client.ApiClient)
    client.configuration = asyncio_client.Configuration()
    found = client.deserialize(cast(Any, SimpleNamespace(data=json.dumps(manifest))), "V1CustomResourceDefinition")
    members = found.spec.versions[0].schema.open_apiv3_schema.properties
    assert (
        members["spec"].required
        == manifest["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["required"]
    )


def test_profiles_are_the_ones_that_can_be_written() -> None:
    assert list(PROFILES) == NODES[".spec.profile"]["enum"]
    slowest = min(PROFILES.values(), key=lambda it: it.engine.prefill_tokens_per_second)
    assert PROFILES[Spec.model_fields["profile"].default] is slowest


def test_the_cold_start_of_a_profile_is_the_sum_of_its_stages() -> None:
    cold_start = PROFILES["8b-l4"].cold_start
    assert cold_start.node.p50_seconds == 38
    assert cold_start.node.p95_seconds == pytest.approx(38 + (10**2 + 54**2) ** 0.5, abs=0.05)
    assert cold_start.warmup.p50_seconds == 149
    assert sum(stage.p50_seconds for stage in cold_start.stages) == 514


def test_a_union_has_no_structural_form() -> None:
    class Union(Model):
        either: int | str

    with pytest.raises(ValueError, match="no structural form"):
        described(Union)


def test_a_bound_that_excludes_itself_becomes_a_pair() -> None:
    from pydantic import Field

    class Bounded(Model):
        above: int = Field(gt=0)

    member = structural(described(Bounded))["properties"]["above"]
    assert member == {"exclusiveMinimum": True, "minimum": 0, "type": "integer"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_rules_of_an_object_can_be_evaluated_on_its_default(kind: Kind[Any, Any]) -> None:
    """The API server does so before it fills in the defaults of the members, and refuses the whole CRD otherwise."""
    for path, node in nodes(version(kind)["schema"]["openAPIV3Schema"]):
        if isinstance(default := node.get("default"), dict):
            for rule in node.get("x-kubernetes-validations", ()):
                unset = re.match(r"!has\(self\.(\w+)\) \|\|", rule["rule"])
                if unset and unset[1] not in default:
                    continue  # no more of it is evaluated
                guarded = set(re.findall(r"has\(self\.(\w+)\)", rule["rule"]))
                read = set(re.findall(r"self\.(\w+)", rule["rule"])) - guarded
                assert read <= default.keys(), (path, rule["rule"])


def test_examples_are_what_resolve_takes() -> None:
    for path, node in nodes(SCALING_POLICY.schema["properties"]["spec"], "spec"):
        for example in node.get("examples", ()):
            document: dict[str, Any] = {
                "apiVersion": "outrider.dev/v1alpha1",
                "kind": "ScalingPolicy",
                "metadata": {"name": "chat"},
                "spec": {"target": {"name": "chat-vllm"}, "maxReplicas": 24},
            }
            place: Any = document
            *parents, last = path.replace("[]", ".0").split(".")
            if "schedules" in path:
                document["spec"]["schedules"] = [{"name": "a", "start": "00:01", "end": "00:02", "minReplicas": 2}]
            if "coldStart" in path:
                stages = ("node", "gpu", "image", "weights", "warmup")
                document["spec"]["coldStart"] = {stage: {"p50": "10s", "p95": "5m"} for stage in stages}
            if "metrics" in path:
                document["spec"]["metrics"] = {
                    "scheme": "https",
                    "tls": {"caConfigMap": {"name": "a"}},
                    "bearerTokenSecret": {"name": "a"},
                    "headers": [{"name": "A", "value": "a"}],
                }
            if "weights.prefetch" in path:
                copied = {"image": "aws", "args": ["aws"], "path": "/mnt/models/chat"}
                document["spec"]["weights"] = {"method": "prefetch", "prefetch": copied}
            elif path.startswith("spec.weights"):
                document["spec"]["weights"] = {"method": path.split(".")[2]}
            for name in parents:
                place = place[int(name)] if name.isdigit() else place.setdefault(name, {})
            place[last] = yaml.safe_load(str(example))
            assert isinstance(SCALING_POLICY.resolve(document), Workload), path


def test_examples_of_a_pool_are_what_resolve_takes() -> None:
    for path, node in nodes(GPU_POOL.schema["properties"]["spec"], "spec"):
        for example in node.get("examples", ()):
            offering = {
                **OFFERING,
                "taints": [{"key": "a"}],
                "validity": [{}],
                "calendar": [{"start": "00:01", "end": "00:02"}],
            }
            selector = {"matchExpressions": [{"key": "team", "operator": "In", "values": ["a"]}]}
            member = {**MEMBER, "namespaceSelector": selector, "maxGpus": 64}
            place: Any = a_pool(offerings=[offering], members=[member], taints=[{"key": "a"}], standby={"maxNodes": 2})
            document = place
            *parents, last = path.replace("[]", ".0").split(".")
            for name in parents:
                place = place[int(name)] if name.isdigit() else place.setdefault(name, {})
            place[last] = yaml.safe_load(str(example))
            assert isinstance(GPU_POOL.resolve(document), GpuPool), path


def test_what_the_real_cluster_is_expected_to_explain_is_in_the_file() -> None:
    """The end-to-end test asks kubectl for these lines; a changed description shows here first."""
    files = yaml.safe_load_all(build.files()["deploy/00-crd.yaml"])
    written = " ".join(" ".join(text.split()) for file in files for text in descriptions(file))
    lines = [line for lines in EXPLAINED.values() for line in lines]
    texts = [re.split(r"-required-|<[\[\]\w]+> |enum: Active, Shadow ", line)[-1].strip() for line in lines]
    assert [text for text in texts if text not in written] == []
