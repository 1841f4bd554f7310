"""Writes what is made from the kinds: `python -m crds.build`. The CRDs, the controller's rights on them, reference pages."""

import re
import sys
from pathlib import Path
from typing import Any

import yaml

from crds.kinds import KINDS, Kind
from crds.reference import page
from crds.resolve.rules import Rule
from crds.structural import Schema, structural
from crds.v1alpha1.resource import GROUP, VERSION, Column

ROOT = Path(__file__).parents[1]
_HEADER = "# Made by `make generate` from crds/v1alpha1; a change here is lost.\n"
_RIGHTS = re.compile("(?<=# Made by `make generate` from crds/kinds.py:\n).*(?=# End of what is made.\n)", re.DOTALL)


def crd(kind: Kind[Any, Any]) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": list(kind.short_names),
                "categories": ["autoscaling"],
            },
            "scope": kind.scope,
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": _open_api_schema(kind)},
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(column) for column in kind.columns],
                }
            ],
        },
    }


def rights() -> list[dict[str, list[str]]]:
    """The rules of the controller's ClusterRole for all kinds: it reads them, and writes their status."""
    plurals = [kind.plural for kind in KINDS]
    return [
        {"apiGroups": [GROUP], "resources": plurals, "verbs": ["list", "watch"]},
        {"apiGroups": [GROUP], "resources": [f"{plural}/status" for plural in plurals], "verbs": ["patch"]},
    ]


def files(root: Path = ROOT) -> dict[str, str]:
    """Every generated file: its path below `root` and its text. Of deploy/rbac.yaml a part is generated."""
    manifests = [yaml.safe_dump(crd(kind), sort_keys=False, width=120) for kind in KINDS]
    rules = yaml.safe_dump(rights(), sort_keys=False, default_flow_style=None)
    rbac = (root / "deploy/rbac.yaml").read_text(encoding="utf-8")
    return {
        "deploy/00-crd.yaml": _HEADER + "---\n".join(manifests),
        "deploy/rbac.yaml": _RIGHTS.sub(rules, rbac),
        **{f"docs/reference/{kind.name.lower()}.md": page(kind) for kind in KINDS},
    }


def _open_api_schema(kind: Kind[Any, Any]) -> Schema:
    whole = structural(_explained(kind.schema))
    members = whole["properties"]
    for name in ("apiVersion", "kind"):
        members[name] = {"type": "string"}  # the API server sees to these and to metadata
    members["metadata"] = {"type": "object"}
    whole["required"] = ["spec"]
    for rule in kind.rules:
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


def _column(column: Column) -> dict[str, Any]:
    written: dict[str, Any] = {"name": column.name, "type": column.type, "jsonPath": column.path}
    if column.description:
        written["description"] = column.description
    if column.wide:
        written["priority"] = 1
    return written


def main(root: Path = ROOT) -> None:
    """Write every generated file, and name those that changed."""
    for name, text in files(root).items():
        path = root / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    main()
