"""The rules of a GPUPool that involve more than a field's type."""

import re
from collections.abc import Mapping
from typing import Any

from crds.notation.timestamps import unix_seconds
from crds.resolve.rules import Rule, duration_between, quantity_between
from crds.v1alpha1.fields import LABEL_KEY

LONGEST_NAME = 63  # it becomes the value of a label
_FIRST, _LAST = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"
_COMPARED = ("In", "NotIn")


def _keys_of_labels(at: str, field: str) -> Rule:
    return Rule(
        at,
        field,
        f"!has(self.{field}) || self.{field}.all(key, key.size() <= 317 && key.matches('{LABEL_KEY}'))",
        "a key is not a label's: at most 63 letters, digits, -, _ and ., optionally after a domain and /",
        "keys such as team or karpenter.sh/nodepool",
        lambda it: all(len(key) <= 317 and re.match(LABEL_KEY, key) for key in it[field]),
    )


def _guaranteed(spec: Mapping[str, Any]) -> int:
    return sum(member["guaranteedGpus"] for member in spec["members"])


def _buffers(spec: Mapping[str, Any]) -> list[Any]:
    return [offering["capacityBuffer"] for offering in spec["offerings"] if "capacityBuffer" in offering]


RULES = (
    Rule(
        "",
        "metadata.name",
        f"self.metadata.name.size() <= {LONGEST_NAME} && !self.metadata.name.contains('.')",
        "the name becomes the value of labels and a part of names, which takes no dot and at most 63 characters",
        "a name of at most 63 lowercase letters, digits and -",
        lambda pool: len(pool["metadata"]["name"]) <= LONGEST_NAME and "." not in pool["metadata"]["name"],
    ),
    Rule(
        "spec",
        "limits.gpus",
        "!has(self.limits.gpus) || self.members.map(member, member.guaranteedGpus).sum() <= self.limits.gpus",
        "the members' guaranteedGpus add up to more than the limit, so they could not all be kept",
        "a limit of at least their sum, or smaller guarantees",
        lambda spec: "gpus" not in spec["limits"] or _guaranteed(spec) <= spec["limits"]["gpus"],
    ),
    Rule(
        "spec.members[]",
        "guaranteedGpus",
        "!has(self.maxGpus) || self.guaranteedGpus <= self.maxGpus",
        "guaranteedGpus is above maxGpus",
        "a number up to maxGpus",
        lambda member: "maxGpus" not in member or member["guaranteedGpus"] <= member["maxGpus"],
    ),
    Rule(
        "spec.members[].namespaceSelector.matchExpressions[]",
        "values",
        f"(self.operator in {list(_COMPARED)}) == (self.values.size() > 0)",
        "In and NotIn need values, and Exists and DoesNotExist take none",
        "values beside In or NotIn, and none beside Exists or DoesNotExist",
        lambda it: (it["operator"] in _COMPARED) == (len(it["values"]) > 0),
    ),
    Rule(
        "spec",
        "offerings",
        "self.offerings.all(one, !has(one.capacityBuffer) || self.offerings.exists_one(other, "
        "has(other.capacityBuffer) && other.capacityBuffer == one.capacityBuffer))",
        "two offerings have the same capacityBuffer, and its nodes would count for both",
        "a CapacityBuffer of its own for each offering",
        lambda spec: len(set(_buffers(spec))) == len(_buffers(spec)),
        culprits=lambda spec: [
            i
            for i, offering in enumerate(spec["offerings"])
            if offering.get("capacityBuffer") in _buffers({"offerings": spec["offerings"][:i]})
        ],
        culprit="capacityBuffer",
    ),
    Rule(
        "spec.offerings[].validity[]",
        "end",
        f"(has(self.start) ? timestamp(self.start) : timestamp('{_FIRST}')) < "
        f"(has(self.end) ? timestamp(self.end) : timestamp('{_LAST}'))",
        "the period ends before it starts",
        "an end after the start",
        lambda it: "end" not in it or unix_seconds(it.get("start", _FIRST)) < unix_seconds(it["end"]),
    ),
    Rule(
        "spec.offerings[].calendar[]",
        "end",
        "self.start != self.end",
        "start and end are the same time",
        'a different end; for a whole day, write start "00:00" and end "24:00"',
        lambda hours: hours["start"] != hours["end"],
    ),
    Rule(
        "spec.standby",
        "minNodes",
        "self.minNodes <= self.maxNodes",
        "minNodes is above maxNodes",
        "a number up to maxNodes",
        lambda standby: standby["minNodes"] <= standby["maxNodes"],
    ),
    duration_between("spec.standby", "hold", "0s", "24h"),
    quantity_between("spec.limits", "usdPerDay", "0", "100M"),
    quantity_between("spec.offerings[]", "pricePerGpuHour", "0", "1000"),
    _keys_of_labels("spec", "nodeSelector"),
    _keys_of_labels("spec.offerings[]", "nodeSelector"),
    _keys_of_labels("spec.members[].namespaceSelector", "matchLabels"),
)
