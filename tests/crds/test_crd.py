"""The generated CRD: structural, bounded, whole, and just what is committed."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from kubernetes import client as official
from kubernetes_asyncio import client as asyncio_client

from crds import build
from crds.profiles import PROFILES
from crds.resolve import resolve, schema
from crds.rules import RULES
from crds.structural import defaulted, described, structural
from crds.v1alpha1 import Spec
from crds.v1alpha1.fields import Model
from crds.workload import Workload

ROOT = Path(__file__).parents[2]
KEYWORDS = {
    "anyOf", "default", "description", "enum", "format", "items", "maxItems", "maxLength", "maximum", "minItems",
    "minLength", "minimum", "pattern", "properties", "required", "type", "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys", "x-kubernetes-list-type", "x-kubernetes-validations",
}  # fmt: skip


def version() -> dict[str, Any]:
    return cast(dict[str, Any], build.crd()["spec"]["versions"][0])


def nodes(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every node of the schema, by path."""
    yield path, node
    for name, member in node.get("properties", {}).items():
        yield from nodes(member, f"{path}.{name}")
    if "items" in node:
        yield from nodes(node["items"], f"{path}[]")


NODES = dict(nodes(version()["schema"]["openAPIV3Schema"]))


@pytest.mark.parametrize("name", build.files())
def test_what_is_committed_is_what_the_models_give(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == build.files()[name], "run make generate"


def test_nothing_is_written_where_nothing_changed(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    build.main()
    assert capsys.readouterr().out.splitlines() == list(build.files())
    build.main()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("path", NODES)
def test_every_node_is_structural(path: str) -> None:
    node = NODES[path]
    assert set(node) <= KEYWORDS
    if node.get("x-kubernetes-int-or-string"):
        assert node["anyOf"] == [{"type": "integer"}, {"type": "string"}]
    else:
        assert "anyOf" not in node
        assert node["type"] in ("object", "array", "string", "integer", "boolean")
    assert ("properties" in node) <= (node.get("type") == "object")
    assert ("items" in node) == (node.get("type") == "array")
    assert set(node.get("required", ())) <= set(node.get("properties", ()))


@pytest.mark.parametrize("path", [path for path in NODES if path.startswith((".spec", ".status"))])
def test_every_node_is_bounded_and_explained(path: str) -> None:
    """Bounds keep the estimated cost of the CEL rules within what the API server allows."""
    node = NODES[path]
    assert node.get("description") or path.endswith("[]")
    if node.get("type") == "array":
        assert "maxItems" in node
    if node.get("type") == "string":
        assert "maxLength" in node or "enum" in node
    if node.get("type") == "integer" and path.startswith(".spec"):
        assert {"minimum", "maximum"} <= set(node)
    if node.get("x-kubernetes-list-type") == "map":
        assert set(node["x-kubernetes-list-map-keys"]) <= set(node["items"]["required"])


@pytest.mark.parametrize(("default", "told"), [("5s", "5s"), (0, "0"), (True, "true")])
def test_a_default_is_explained_as_one_writes_it(default: object, told: str) -> None:
    assert build._explained({"description": "X.", "default": default})["description"] == f"X. Default: {told}."


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
    assert isinstance(resolve(stored), Workload)
    assert resolve(stored) == resolve(written)


def test_only_the_target_and_the_maximum_are_required() -> None:
    assert NODES[""]["required"] == ["spec"]
    assert NODES[".spec"]["required"] == ["target", "maxReplicas"]
    assert NODES[".spec.target"]["required"] == ["name"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.at}.{rule.field}")
def test_every_rule_stands_in_the_schema_where_it_belongs(rule: Any) -> None:
    at = f".{rule.at}" if rule.at else ""
    placed = [it for it in NODES[at]["x-kubernetes-validations"] if it["rule"] == rule.cel]
    assert [it["message"] for it in placed] == [rule.message]
    assert placed[0]["fieldPath"].removeprefix(".") in NODES[at]["properties"]
    assert len(rule.message) <= 2048
    assert "\n" not in rule.message


def test_a_refused_signal_is_refused_with_its_reason_not_by_an_enum() -> None:
    """The API server does not come to its rules once an enum has failed."""
    assert "enum" not in NODES[".spec.signal"]
    assert NODES[".spec.minReplicas"]["minimum"] == 0


def test_names_columns_and_status() -> None:
    spec = build.crd()["spec"]
    assert (spec["group"], spec["scope"], spec["names"]["shortNames"]) == ("outrider.dev", "Namespaced", ["scpol"])
    assert version()["subresources"] == {"status": {}}
    columns = [column["name"] for column in version()["additionalPrinterColumns"] if "priority" not in column]
    assert columns == ["Mode", "Target", "Min", "Max", "Current", "Desired", "Prepared", "Ready", "Decided", "Age"]
    for column in version()["additionalPrinterColumns"]:
        path = column["jsonPath"].partition("[")[0]
        assert path in NODES or path == ".metadata.creationTimestamp"
    assert NODES[".status.conditions"]["x-kubernetes-list-map-keys"] == ["type"]


def test_descriptions_tell_what_kubectl_explain_leaves_out() -> None:
    told = {path: node.get("description", "") for path, node in NODES.items()}
    assert told[".spec.mode"].endswith("acts on nothing. Default: Active.")
    assert told[".spec.slo.queueWait"].endswith(" Default: 5s.")
    assert told[".spec.target.name"] == "Name of the target. Such as chat-vllm."
    assert not [path for path, text in told.items() if path.startswith(".") and "\n" in text]


def test_both_clients_read_it() -> None:
    manifest = yaml.safe_load(build.files()["deploy/00-crd.yaml"])
    read = official.V1CustomResourceDefinition.from_dict(manifest)
    assert read is not None
    assert json.loads(read.to_json()) == manifest

    client = asyncio_client.ApiClient.__new__(asyncio_client.ApiClient)
    client.configuration = asyncio_client.Configuration()
    found = client.deserialize(cast(Any, SimpleNamespace(data=json.dumps(manifest))), "V1CustomResourceDefinition")
    assert found.spec.versions[0].schema.open_apiv3_schema.properties["spec"].required == ["target", "maxReplicas"]


def test_profiles_are_the_ones_that_can_be_written() -> None:
    assert list(PROFILES) == NODES[".spec.profile"]["enum"]
    slowest = min(PROFILES.values(), key=lambda it: it.engine.prefill_tokens_per_second)
    assert PROFILES[Spec.model_fields["profile"].default] is slowest


def test_the_cold_start_of_a_profile_is_the_sum_of_its_stages() -> None:
    cold_start = PROFILES["8b-l4"].cold_start
    assert cold_start.node.p50_seconds == 75
    assert cold_start.node.p95_seconds == pytest.approx(75 + (10**2 + 54**2 + 73**2) ** 0.5, abs=0.05)
    assert cold_start.warmup.p50_seconds == 149
    total = sum(getattr(cold_start, stage).p50_seconds for stage in ("node", "image", "weights", "warmup"))
    assert total == 514


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


def test_examples_are_what_resolve_takes() -> None:
    for path, node in nodes(schema()["properties"]["spec"], "spec"):
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
            for name in parents:
                place = place[int(name)] if name.isdigit() else place.setdefault(name, {})
            place[last] = yaml.safe_load(str(example))
            assert isinstance(resolve(document), Workload), path
