"""What a field alone cannot tell: each rule once, as CEL for the API server and as Python for `outrider check`."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from crds.notation import units

LONGEST_NAME = 54  # KEDA calls the HPA of ScaledObject NAME keda-hpa-NAME, and that ends at 63
SIGNALS = ("Work", "Concurrency")
SCALABLE_APPS = ("Deployment", "StatefulSet", "ReplicaSet")
UTILISATION = "gpu|dcgm|util|cpu|memory"
_REFUSED = re.compile(f"{UTILISATION}|running")


@dataclass(frozen=True, slots=True)
class Rule:
    """A law over one object of the schema. `cel` and `holds` say the same of `self`, every default filled in."""

    at: str  # the object that is `self`: "" is the root, "[]" goes into a list
    field: str  # the member that is blamed
    cel: str
    why: str
    instead: str
    holds: Callable[[Any], bool]

    @property
    def reads(self) -> frozenset[str]:
        """The members of `self` that it speaks of."""
        return frozenset(re.findall(r"self\.([A-Za-z]+)", self.cel))

    @property
    def message(self) -> str:
        """What the API server answers."""
        return f"{self.why}; instead: {self.instead}"


def _between(at: str, field: str, low: str, high: str) -> Rule:
    return Rule(
        at,
        field,
        f"!has(self.{field}) || (duration(self.{field}) >= duration('{low}') && "
        f"duration(self.{field}) <= duration('{high}'))",
        f"out of range, which is {low} to {high}",
        f"a duration from {low} to {high}",
        lambda it: field not in it or units.seconds(low) <= units.seconds(it[field]) <= units.seconds(high),
    )


def _quantity_between(at: str, field: str, low: str, high: str) -> Rule:
    read = f"quantity(string(self.{field}))"
    return Rule(
        at,
        field,
        f"!has(self.{field}) || ({read}.compareTo(quantity('{low}')) >= 0 && "
        f"{read}.compareTo(quantity('{high}')) <= 0)",
        f"out of range, which is {low} to {high}",
        f"a quantity from {low} to {high}",
        lambda it: field not in it or units.quantity(low) <= units.quantity(it[field]) <= units.quantity(high),
    )


RULES = (
    Rule(
        "",
        "metadata.name",
        f"self.metadata.name.size() <= {LONGEST_NAME}",
        "the name is too long: KEDA puts keda-hpa- before it, and an HPA's name ends at 63 characters",
        f"a name of at most {LONGEST_NAME} characters",
        lambda policy: len(policy["metadata"]["name"]) <= LONGEST_NAME,
    ),
    Rule(
        "spec",
        "signal",
        f"!self.signal.lowerAscii().matches('{UTILISATION}')",
        "utilisation is no signal: an LLM engine keeps its GPU busy with one request as with a hundred, so it says "
        "nothing of the load, and nothing at all of what waits",
        "Work, or Concurrency where the engine does not count tokens",
        lambda spec: re.search(UTILISATION, spec["signal"].lower()) is None,
    ),
    Rule(
        "spec",
        "signal",
        "!self.signal.lowerAscii().contains('running')",
        "running requests alone are no signal: they stop at the engine's batch limit, exactly when more replicas are "
        "needed, and what waits is not among them",
        "Work, or Concurrency, which is running and waiting together",
        lambda spec: "running" not in spec["signal"].lower(),
    ),
    Rule(
        "spec",
        "signal",
        f"self.signal in ['Work', 'Concurrency'] || self.signal.lowerAscii().matches('{_REFUSED.pattern}')",
        "there is no such signal",
        "Work or Concurrency",
        lambda spec: spec["signal"] in SIGNALS or _REFUSED.search(spec["signal"].lower()) is not None,
    ),
    Rule(
        "spec",
        "minReplicas",
        "self.minReplicas >= 1",
        "no signal of demand exists at zero pods, so nothing would ever wake the service",
        "1 or more",
        lambda spec: spec["minReplicas"] >= 1,
    ),
    Rule(
        "spec",
        "minReplicas",
        "self.minReplicas <= self.maxReplicas",
        "minReplicas is above maxReplicas",
        "a number that is at most maxReplicas",
        lambda spec: spec["minReplicas"] <= spec["maxReplicas"],
    ),
    Rule(
        "spec",
        "schedules",
        "self.schedules.all(window, window.minReplicas <= self.maxReplicas)",
        "a window's minReplicas is above maxReplicas",
        "windows whose minReplicas is at most maxReplicas",
        lambda spec: all(window["minReplicas"] <= spec["maxReplicas"] for window in spec["schedules"]),
    ),
    Rule(
        "spec.schedules[]",
        "end",
        "self.start != self.end",
        "the window closes as it opens",
        'another end; a whole day is start "00:00" and end "24:00"',
        lambda window: window["start"] != window["end"],
    ),
    Rule(
        "spec.target",
        "kind",
        f"self.apiVersion != 'apps/v1' || self.kind in {list(SCALABLE_APPS)}",
        "apps/v1 has no such kind with a /scale subresource: a DaemonSet follows the nodes, and a Job runs to its end",
        "Deployment, StatefulSet or ReplicaSet; for any other kind its own apiVersion as well",
        lambda target: target["apiVersion"] != "apps/v1" or target["kind"] in SCALABLE_APPS,
    ),
    Rule(
        "spec.target",
        "apiVersion",
        f"self.apiVersion == 'apps/v1' || !(self.kind in {list(SCALABLE_APPS)})",
        "this kind lives in apps/v1",
        "apps/v1",
        lambda target: target["apiVersion"] == "apps/v1" or target["kind"] not in SCALABLE_APPS,
    ),
    Rule(
        "spec.target",
        "kind",
        "!(self.apiVersion in ['v1', 'batch/v1']) || self.kind in ['ReplicationController', 'Deployment', "
        "'StatefulSet', 'ReplicaSet']",
        "this kind has no /scale subresource, so its replicas cannot be set",
        "Deployment with apiVersion apps/v1, or any kind that has /scale",
        lambda target: (
            target["apiVersion"] not in ("v1", "batch/v1")
            or target["kind"] in ("ReplicationController", *SCALABLE_APPS)
        ),
    ),
    _between("spec.slo", "queueWait", "100ms", "1h"),
    _between("spec.scaleDown", "hold", "0s", "24h"),
    _quantity_between("spec.engine", "prefillTokensPerSecond", "1", "10M"),
    _quantity_between("spec.engine", "decodeSecondsPerToken", "1u", "10"),
)
