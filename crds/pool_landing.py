"""Whether pods of a template can land on the nodes of an offering, by the labels and taints that the pool states.

What the pool does not state is unknown: a label that no selector of the pool names excludes nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from crds.notation.selectors import EXPRESSIONS, Requirement
from crds.pool import OfferingAt, Taint

_KEEPS_AWAY = ("NoSchedule", "NoExecute")


def obstacle(pod_spec: Mapping[str, Any], offering: OfferingAt) -> str | None:
    """Why its pods cannot land there, as a clause about them; None where they may.

    Raises TypeError or AttributeError for what is no pod's spec.
    """
    has = offering.node_selector
    for key, value in sorted((pod_spec.get("nodeSelector") or {}).items()):
        if key in has and has[key] != value:
            return f"their nodeSelector wants {key}={value}, and its nodes have {has[key]}"
    terms = _required(pod_spec)
    if terms and all(any(not each.matches(has) for each in _known(term, has)) for term in terms):
        return "their node affinity excludes its nodes"
    for taint in offering.taints:
        if taint.effect in _KEEPS_AWAY and not _tolerates(pod_spec, taint):
            written = f"{taint.key}={taint.value}" if taint.value else taint.key
            return f"they do not tolerate its taint {written}:{taint.effect}"
    return None


def _required(pod_spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    affinity = (pod_spec.get("affinity") or {}).get("nodeAffinity") or {}
    return (affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}).get("nodeSelectorTerms") or []


def _known(term: Mapping[str, Any], has: Mapping[str, str]) -> Iterator[Requirement]:
    """The conditions on labels that the offering states."""
    for each in term.get("matchExpressions") or ():
        operator = EXPRESSIONS.get(each.get("operator"))
        if operator and each.get("key") in has:
            yield Requirement(str(each["key"]), operator, frozenset(map(str, each.get("values") or ())))


def _tolerates(pod_spec: Mapping[str, Any], taint: Taint) -> bool:
    for container in pod_spec.get("containers") or ():
        resources = container.get("resources") or {}
        asked = {**(resources.get("requests") or {}), **(resources.get("limits") or {})}
        if taint.key in asked:  # admission (ExtendedResourceToleration) adds the toleration
            return True
    return any(_covers(each, taint) for each in pod_spec.get("tolerations") or ())


def _covers(toleration: Mapping[str, Any], taint: Taint) -> bool:
    key, effect = toleration.get("key") or "", toleration.get("effect") or ""
    same = toleration.get("operator") == "Exists" or (toleration.get("value") or "") == taint.value
    return key in ("", taint.key) and effect in ("", taint.effect) and same
