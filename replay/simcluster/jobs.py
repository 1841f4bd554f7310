"""Validates Jobs and fills in their defaults as a real API server does."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from replay.simcluster import failures
from replay.simcluster.failures import Cause, invalid_value, not_supported, required
from replay.simcluster.resources import Json

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_QUANTITY = re.compile(r"([+-]?[0-9.]+)([eE][+-]?[0-9]+|[numkKMGTPE]|[KMGTPE]i)?")
_POWERS = {suffix: 1 << 10 * (i + 1) for i, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))}
_TENS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}

_NAME_RULE = "a lowercase RFC 1123 name must consist of lower case alphanumeric characters or '-'"
_QUANTITY_RULE = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_NOT_NEGATIVE = "must be greater than or equal to 0"

# The JSON types of the fields that are read; a wrong type is refused before anything else is checked.
_TYPES: dict[str, type | tuple[type, ...]] = {
    "metadata": dict,
    "metadata.name": str,
    "metadata.generateName": str,
    "metadata.labels": dict,
    "metadata.annotations": dict,
    "metadata.ownerReferences": list,
    "spec": dict,
    "spec.activeDeadlineSeconds": int,
    "spec.backoffLimit": int,
    "spec.completions": int,
    "spec.parallelism": int,
    "spec.ttlSecondsAfterFinished": int,
    "spec.template": dict,
    "spec.template.metadata": dict,
    "spec.template.metadata.labels": dict,
    "spec.template.spec": dict,
    "spec.template.spec.affinity": dict,
    "spec.template.spec.automountServiceAccountToken": bool,
    "spec.template.spec.containers": list,
    "spec.template.spec.imagePullSecrets": list,
    "spec.template.spec.nodeSelector": dict,
    "spec.template.spec.priority": int,
    "spec.template.spec.priorityClassName": str,
    "spec.template.spec.restartPolicy": str,
    "spec.template.spec.securityContext": dict,
    "spec.template.spec.terminationGracePeriodSeconds": int,
    "spec.template.spec.tolerations": list,
}


def admit(body: Json) -> Json:
    """The Job as it is stored, without what the cluster adds (uid, selector, times). Raises `ApiError` 400 or 422."""
    _check_types(body)
    name = body.get("metadata", {}).get("name") or body.get("metadata", {}).get("generateName", "")
    causes = [*_metadata_causes(body.get("metadata", {})), *_spec_causes(body.get("spec", {}))]
    if causes:
        raise failures.invalid("batch", "Job", name, causes)
    spec = body["spec"]
    template = spec["template"]
    pod_defaults = {"dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler", "securityContext": {}}
    return {
        **body,
        "kind": "Job",
        "apiVersion": "batch/v1",
        "spec": {
            "parallelism": 1,
            "completions": 1,
            "backoffLimit": 6,
            "completionMode": "NonIndexed",
            "suspend": False,
            "podReplacementPolicy": "TerminatingOrFailed",
            **spec,
            "template": {
                **template,
                "metadata": template.get("metadata", {}),
                "spec": {**pod_defaults, "terminationGracePeriodSeconds": 30, **template["spec"]},
            },
        },
    }


def quantity(text: object) -> Decimal | None:
    """The value of a resource quantity (`500m`, `16Gi`, `1`), or None if it is not one."""
    if isinstance(text, int) and not isinstance(text, bool):
        return Decimal(text)
    found = _QUANTITY.fullmatch(text) if isinstance(text, str) else None
    if found is None or found[1].count(".") > 1 or found[1].strip("+-") in {"", "."}:
        return None
    suffix = found[2] or ""
    if suffix in _POWERS:
        return Decimal(found[1]) * _POWERS[suffix]
    if suffix in _TENS:
        return Decimal(found[1]).scaleb(_TENS[suffix])
    return Decimal(found[1] + suffix)


def _check_types(body: Json) -> None:
    for path, wanted in _TYPES.items():
        value: Any = body
        for step in path.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        if value is None:
            continue
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise failures.bad_request(
                f'Job in version "v1" cannot be handled as a Job: json: cannot unmarshal {type(value).__name__} '
                f"into Go struct field .{path}"
            )
    for path in ("labels", "annotations"):
        for value in (body.get("metadata", {}).get(path) or {}).values():
            if not isinstance(value, str):
                raise failures.bad_request(f"json: cannot unmarshal {value!r} into metadata.{path}: expected a string")


def _metadata_causes(metadata: Json) -> Iterator[Cause]:
    name = metadata.get("name") or metadata.get("generateName")
    if not name:
        yield required("metadata.name", "name or generateName is required")
    elif not _NAME.fullmatch(name.rstrip("-") if "name" not in metadata else name):
        yield invalid_value("metadata.name", name, _NAME_RULE)
    elif len(name) > 63:  # the name becomes a label of the pod
        yield invalid_value("spec.template.labels", name, "must be no more than 63 bytes")
    yield from _label_causes(metadata.get("labels") or {}, "metadata.labels")
    for owner in metadata.get("ownerReferences") or []:
        for key in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(key):
                yield required(f"metadata.ownerReferences.{key}", "must not be empty")


def _label_causes(labels: Json, path: str) -> Iterator[Cause]:
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key):
            yield invalid_value(path, key, "name part must consist of alphanumeric characters, '-', '_' or '.'")
        if not isinstance(value, str) or not _LABEL_VALUE.fullmatch(value):
            yield invalid_value(
                path, value, "a valid label must be an empty string or 63 alphanumeric characters, '-', '_' or '.'"
            )


def _spec_causes(spec: Json) -> Iterator[Cause]:
    for key in ("activeDeadlineSeconds", "backoffLimit", "completions", "parallelism", "ttlSecondsAfterFinished"):
        if (spec.get(key) or 0) < 0:
            yield invalid_value(f"spec.{key}", spec[key], _NOT_NEGATIVE)
    for key in ("completions", "parallelism"):
        if (spec.get(key) or 0) > 1:
            yield invalid_value(f"spec.{key}", spec[key], "the simulated cluster runs one pod per Job")
    if any((spec.get("selector") or {}).values()):
        yield invalid_value("spec.selector", "{...}", "`selector` not auto-generated")
    template = spec.get("template") or {}
    path = "spec.template.metadata.labels"
    yield from _label_causes((template.get("metadata") or {}).get("labels") or {}, path)
    yield from _pod_causes(template.get("spec") or {})


def _pod_causes(pod: Json) -> Iterator[Cause]:
    path = "spec.template.spec"
    restart = pod.get("restartPolicy")
    if not restart:
        yield required(f"{path}.restartPolicy", 'valid values: "OnFailure", "Never"')
    elif restart not in {"OnFailure", "Never"}:
        yield not_supported(f"{path}.restartPolicy", restart, ("OnFailure", "Never"))
    if (pod.get("terminationGracePeriodSeconds") or 0) < 0:
        yield invalid_value(
            f"{path}.terminationGracePeriodSeconds", pod["terminationGracePeriodSeconds"], _NOT_NEGATIVE
        )
    yield from _label_causes(pod.get("nodeSelector") or {}, f"{path}.nodeSelector")
    for i, toleration in enumerate(pod.get("tolerations") or []):
        yield from _toleration_causes(toleration, f"{path}.tolerations[{i}]")
    containers = pod.get("containers") or []
    if not containers:
        yield required(f"{path}.containers")
    names = [container.get("name") for container in containers]
    for i, container in enumerate(containers):
        where = f"{path}.containers[{i}]"
        name = container.get("name")
        if not name:
            yield required(f"{where}.name")
        elif not _NAME.fullmatch(name) or len(name) > 63:
            yield invalid_value(f"{where}.name", name, _NAME_RULE)
        elif names.index(name) < i:
            yield Cause(f"{where}.name", "FieldValueDuplicate", f'Duplicate value: "{name}"')
        if not container.get("image"):
            yield required(f"{where}.image")
        yield from _resource_causes(container.get("resources") or {}, f"{where}.resources")


def _toleration_causes(toleration: Json, path: str) -> Iterator[Cause]:
    operator, effect = toleration.get("operator", "Equal"), toleration.get("effect", "")
    if operator not in {"Equal", "Exists"}:
        yield not_supported(f"{path}.operator", operator, ("Equal", "Exists"))
    elif operator == "Exists" and toleration.get("value"):
        yield invalid_value(f"{path}.operator", operator, "value must be empty when `operator` is 'Exists'")
    elif operator == "Equal" and not toleration.get("key"):
        yield invalid_value(f"{path}.operator", operator, "operator must be Exists when `key` is empty")
    effects = ("NoSchedule", "PreferNoSchedule", "NoExecute")
    if effect and effect not in effects:
        yield not_supported(f"{path}.effect", effect, effects)


def _resource_causes(given: Json, path: str) -> Iterator[Cause]:
    limits, requests = given.get("limits") or {}, given.get("requests") or {}
    for kind, amounts in (("limits", limits), ("requests", requests)):
        for name, text in amounts.items():
            amount = quantity(text)
            if amount is None:
                raise failures.bad_request(f'Job in version "v1" cannot be handled as a Job: {_QUANTITY_RULE}')
            if amount < 0:
                yield invalid_value(f"{path}.{kind}[{name}]", text, _NOT_NEGATIVE)
            elif "/" in name and amount != int(amount):
                yield invalid_value(f"{path}.{kind}[{name}]", text, "must be an integer")
    for name, text in requests.items():
        asked, limit = quantity(text), quantity(limits.get(name))
        extended = "/" in name  # nvidia.com/gpu: cannot be overcommitted
        if extended and name not in limits:
            yield required(f"{path}.limits", "Limit must be set for non overcommitable resources")
        elif asked is not None and limit is not None and (asked != limit if extended else asked > limit):
            rule = "equal to" if extended else "less than or equal to"
            yield invalid_value(f"{path}.requests", text, f"must be {rule} {name} limit of {limits[name]}")
