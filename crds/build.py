"""Writes what is made from the models: `python -m crds.build`. The CRD, its copy for deploying, and the reference page."""

import re
import sys
from pathlib import Path
from typing import Any

import yaml

from crds.reference import page
from crds.resolve import schema
from crds.rules import RULES, Rule
from crds.structural import Schema, structural
from crds.v1alpha1 import GROUP, VERSION

PLURAL = "scalingpolicies"
_HEADER = "# Made by `make generate` from crds/v1alpha1; a change here is lost.\n"
_COLUMNS = (
    # name, type, path, wide only, description
    ("Mode", "string", ".spec.mode", False, "Active acts; Shadow only tells"),
    ("Target", "string", ".spec.target.name", False, "What is scaled"),
    ("Min", "integer", ".spec.minReplicas", False, "Replicas that always run"),
    ("Max", "integer", ".spec.maxReplicas", False, "Replicas that are never exceeded"),
    ("Current", "integer", ".status.currentReplicas", False, "Replicas that the target is told to run"),
    ("Desired", "integer", ".status.desiredReplicas", False, "Replicas that were decided on"),
    ("Prepared", "integer", ".status.preparedNodes", False, "GPU nodes held with the image on them"),
    ("Ready", "string", ".status.conditions[?(@.type=='Ready')].status", False, "Valid, and the target is found"),
    ("Decided", "date", ".status.lastDecisionTime", False, "How long ago the last decision was made"),
    ("Age", "date", ".metadata.creationTimestamp", False, ""),
    ("Demand", "string", ".status.demandReplicas", True, "Demand in replicas"),
    ("Waiting", "integer", ".status.waitingRequests", True, "Requests that wait in the engines' queues"),
    ("Message", "string", ".status.message", True, "The last decision and its reason"),
)


def crd() -> dict[str, Any]:
    """The CustomResourceDefinition of ScalingPolicy."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": "ScalingPolicy",
                "listKind": "ScalingPolicyList",
                "plural": PLURAL,
                "singular": "scalingpolicy",
                "shortNames": ["scpol"],
                "categories": ["autoscaling"],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": _open_api_schema()},
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(*column) for column in _COLUMNS],
                }
            ],
        },
    }


def files() -> dict[str, str]:
    """Every generated file: its path in the repository and its text."""
    manifest = _HEADER + yaml.safe_dump(crd(), sort_keys=False, width=120)
    return {
        f"crds/generated/{PLURAL}.{GROUP}.yaml": manifest,
        "deploy/00-crd.yaml": manifest,
        "docs/reference/scalingpolicy.md": page(),
    }


def _open_api_schema() -> Schema:
    whole = structural(_explained(schema()))
    members = whole["properties"]
    for name in ("apiVersion", "kind"):
        members[name] = {"type": "string"}  # the API server sees to these and to metadata
    members["metadata"] = {"type": "object"}
    whole["required"] = ["spec"]
    for rule in RULES:
        place = whole
        for step in filter(None, rule.at.split(".")):
            place = place["properties"][step.removesuffix("[]")]
            place = place["items"] if step.endswith("[]") else place
        place.setdefault("x-kubernetes-validations", []).append(_validation(rule))
    return whole


def _explained(node: Schema) -> Schema:
    """The schema as `kubectl explain` needs it: that keeps every line break, and shows neither defaults nor examples."""
    node = dict(node)
    if text := node.get("description"):
        default, examples = node.get("default"), node.get("examples", ())
        if isinstance(default, str | int):
            text += f" Default: {str(default).lower() if isinstance(default, bool) else default}."
        elif examples and isinstance(examples[0], str):
            text += f" Such as {examples[0]}."
        node["description"] = re.sub(r"(?<!\n)\n(?!\n)", " ", text)
    if "properties" in node:
        node["properties"] = {name: _explained(member) for name, member in node["properties"].items()}
    if "items" in node:
        node["items"] = _explained(node["items"])
    return node


def _validation(rule: Rule) -> dict[str, str]:
    member = rule.field.partition(".")[0]  # inside metadata the schema is the API server's own, so no path leads there
    return {"rule": rule.cel, "message": rule.message, "fieldPath": f".{member}"}


def _column(name: str, kind: str, path: str, wide: bool, description: str) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "type": kind, "jsonPath": path}
    if description:
        column["description"] = description
    if wide:
        column["priority"] = 1
    return column


def main() -> None:
    """Write every generated file below the current folder, and name those that changed."""
    for name, text in files().items():
        path = Path(name)
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    main()
