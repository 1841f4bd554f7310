"""The reference page of ScalingPolicy, written from the models and the rules."""

from collections.abc import Iterator

import yaml

from crds.notation import units
from crds.problems import spell
from crds.resolve import schema
from crds.rules import RULES
from crds.structural import Schema

_INTRODUCTION = """\
# ScalingPolicy

`outrider.dev/v1alpha1`, namespaced, short name `scpol`. Made from the models by `make generate`.

A policy needs a target and a maximum; the promise is best written down too:

```yaml
apiVersion: outrider.dev/v1alpha1
kind: ScalingPolicy
metadata:
  name: chat
spec:
  target: {name: chat-vllm}
  slo: {queueWait: 5s, attainment: "99%"}
  maxReplicas: 24
```

`outrider check FILE` reads policies offline and lists every mistake; `outrider scaledobject -f FILE` prints the
ScaledObject that belongs to a policy and bears its name.

Durations are whole numbers with `h`, `m`, `s` or `ms`, such as `1h30m` (GEP-2257). Quantities are Kubernetes' own:
`2.5k` is 2,500, `200u` is 0.0002.
"""

_NOTATIONS = {units.DURATION: "duration", units.PERCENT: "percentage", units.CLOCK_TIME: "time of day"}


def page() -> str:
    """The page as Markdown."""
    members = schema()["properties"]
    parts = [_INTRODUCTION, "## spec", *_table("spec", members["spec"]), "## Rules", *_rules()]
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


def _rules() -> Iterator[str]:
    yield "The API server and `outrider check` hold these too:"
    yield "\n".join(f"- `{rule.at}{'.' * bool(rule.at)}{rule.field}`: {rule.message}." for rule in RULES)


def _type(member: Schema) -> str:
    if "x-kubernetes-int-or-string" in member:
        return "quantity"
    if name := _NOTATIONS.get(member.get("pattern", "")):
        return name
    if "enum" in member:
        return spell((f"`{value}`" for value in member["enum"]), "or")
    if "items" in member:
        return f"list of {_type(member['items'])}"
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
