"""The reference page of a kind, written from its model and its rules."""

from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from crds.kinds import Kind
from crds.notation import units
from crds.resolve.problems import spell
from crds.resolve.rules import Rule
from crds.structural import Schema
from crds.v1alpha1.resource import API_VERSION

_NOTATION = """\
Durations are whole numbers with `h`, `m`, `s` or `ms`, such as `1h30m` (GEP-2257). Quantities are those of Kubernetes:
`2.5k` is 2,500, `200u` is 0.0002."""

_NOTATIONS = {units.DURATION: "duration", units.PERCENT: "percentage", units.CLOCK_TIME: "time of day"}


def page(kind: Kind[Any, Any]) -> str:
    """The page as Markdown."""
    members = kind.schema["properties"]
    names = spell((f"`{name}`" for name in kind.short_names), "or")
    parts = [
        f"# {kind.name}",
        f"`{API_VERSION}`, {kind.scope.lower()}, short name {names}. Generated from the models by `make generate`.",
    ]
    parts += [kind.introduction, _NOTATION, "## spec", *_table("spec", members["spec"]), *_rules(kind.rules)]
    parts += ["## status", *_table("status", members["status"])]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _table(path: str, schema: Schema) -> Iterator[str]:
    """One table for an object, then one for each object inside it."""
    rows = ["| field | type | default | meaning |", "|---|---|---|---|"]
    inner: list[tuple[str, Schema]] = []
    for name, member in schema["properties"].items():
        default = "required" if name in schema.get("required", []) else _default(member)
        rows.append(f"| `{name}` | {_type(member)} | {default} | {_line(member.get('description', ''))} |")
        item = member.get("items", member)
        if "properties" in item:
            inner.append((f"{path}.{name}" + ("[]" if "items" in member else ""), item))
    yield "\n".join(rows)
    for deeper, item in inner:
        yield f"### {deeper}"
        yield from _table(deeper, item)


def _rules(rules: Iterable[Rule]) -> Iterator[str]:
    yield "## Rules"
    yield "The API server and `outrider check` enforce these as well:"
    yield "\n".join(f"- `{rule.path}`: {rule.message}." for rule in rules)


def _type(member: Schema) -> str:
    if "x-kubernetes-int-or-string" in member:
        return "quantity"
    if name := _NOTATIONS.get(member.get("pattern", "")):
        return name
    if "enum" in member:
        return spell((f"`{value}`" for value in member["enum"]), "or")
    if "items" in member:
        return f"list of {_type(member['items'])}"
    if values := member.get("additionalProperties"):
        return f"map of {_type(values)}"
    low, high = member.get("minimum"), member.get("maximum")
    bounds = f", {low} to {high}" if low is not None and high is not None else ""
    return f"{member['type']}{bounds}"


def _default(member: Schema) -> str:
    if "default" not in member or member["default"] == {}:
        return ""
    text = (
        yaml.safe_dump(member["default"], default_flow_style=True, width=200).removesuffix("\n").removesuffix("\n...")
    )
    return f"`{text}`"


def _line(description: str) -> str:
    return " ".join(description.replace("|", "\\|").split())
