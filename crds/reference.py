"""The reference pages: of a kind, written from its model and its rules, and of the profiles."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import yaml

from crds.kinds import Kind
from crds.notation import units
from crds.profiles import PROFILES
from crds.resolve.problems import spell
from crds.resolve.rules import Rule
from crds.structural import Schema
from crds.v1alpha1.resource import API_VERSION
from policies.ladder import lead_quantile_seconds
from policies.supply import STAGES, Stage, StageName

_NOTATION = """\
Durations are whole numbers with `h`, `m`, `s` or `ms`, such as `1h30m` (GEP-2257). Quantities are those of Kubernetes:
`2.5k` is 2,500, `200u` is 0.0002."""

_PROFILES = """\
Generated from `crds/profiles.py` by `make generate`. A policy names one of these in `spec.profile`: what Outrider assumes of
a replica until it has learned better, and what a replay simulates. [Where the figures come from](../profiles.md) says which
are measured and which are scaled. Decode is per token of one request, with as many requests at once as the table says."""

_LEADS = """\
Medians in seconds, from the request or from a node that is there already: with one stage after another, with the image or
the image and the weights fetched while the GPU becomes ready, and with what is on the node."""

_NODE, _GPU, _IMAGE, _WEIGHTS, _ = STAGES
_WAYS: dict[str, tuple[tuple[StageName, ...], tuple[StageName, ...]]] = {  # what is fetched ahead, what is done
    "new node": ((), ()),
    "image ahead": ((_IMAGE,), ()),
    "image and weights ahead": ((_IMAGE, _WEIGHTS), ()),
    "node there": ((), (_NODE, _GPU)),
    "with the image": ((), (_NODE, _GPU, _IMAGE)),
    "and the weights": ((), (_NODE, _GPU, _IMAGE, _WEIGHTS)),
}

_STAGES = """\
Seconds, median / 95th percentile, of a plain vLLM pod on a new node with a stock image.
[Cold starts](../cold-starts.md) explains the stages."""

_SCOPES = {"Namespaced": "namespaced", "Cluster": "cluster-scoped"}
_NOTATIONS = {units.DURATION: "duration", units.PERCENT: "percentage", units.CLOCK_TIME: "time of day"}


def page(kind: Kind[Any, Any]) -> str:
    """The page as Markdown."""
    members = kind.schema["properties"]
    names = spell((f"`{name}`" for name in kind.short_names), "or")
    parts = [
        f"# {kind.name}",
        f"`{API_VERSION}`, {_SCOPES[kind.scope]}, short name {names}. Generated from the models by `make generate`.",
    ]
    parts += [kind.introduction, _NOTATION, "## spec", *_table("spec", members["spec"]), *_rules(kind.rules)]
    parts += ["## status", *_table("status", members["status"])]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def profiles() -> str:
    """The page of the profiles as Markdown."""
    speeds = ["| profile | GPUs | prefill, tokens/s | decode, s/token | requests at once | US$ per GPU-hour |"]
    speeds.append("|---|--:|--:|--:|--:|--:|")
    stages = [f"| profile | {' | '.join(STAGES)} |", f"|---|{'--:|' * len(STAGES)}"]
    leads = [f"| profile | {' | '.join(_WAYS)} |", f"|---|{'--:|' * len(_WAYS)}"]
    for name, profile in PROFILES.items():
        engine, times = profile.engine, (getattr(profile.cold_start, stage) for stage in STAGES)
        prefill, decode = f"{engine.prefill_tokens_per_second:,.0f}", f"{engine.decode_seconds_per_token:f}".rstrip("0")
        speed = (profile.gpus_per_replica, prefill, decode, f"{engine.max_concurrency:.0f}", profile.price_per_gpu_hour)
        speeds.append(f"| `{name}` | {' | '.join(map(str, speed))} |")
        stages.append(f"| `{name}` | {' | '.join(map(_quantiles, times))} |")
        medians = (
            lead_quantile_seconds(replace(profile.cold_start, ahead=ahead), done, 0.0) for ahead, done in _WAYS.values()
        )
        leads.append(f"| `{name}` | {' | '.join(f'{median:.0f}' for median in medians)} |")
    parts = ["# Profiles", _PROFILES, "## Speed and price", "\n".join(speeds)]
    parts += ["## Cold start", _STAGES, "\n".join(stages), "## Until a new replica serves", _LEADS, "\n".join(leads)]
    return "\n\n".join(parts) + "\n"


def _quantiles(stage: Stage | None) -> str:
    return f"{stage.p50_seconds:.0f} / {stage.p95_seconds:.0f}" if stage else ""


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
