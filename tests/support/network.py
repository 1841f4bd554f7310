"""What NetworkPolicies let in, by the API's own rules, since no network plug-in runs in the tests.

What it does not do: egress, ipBlock (an AssertionError), SCTP, and what a plug-in does differently from the API's description.
"""

from collections.abc import Iterable, Mapping
from typing import Any

Json = Mapping[str, Any]
Labels = Mapping[str, str]


def admitted(policies: Iterable[Json], pod: Json, port: int, from_namespace: Json, from_pod: Labels) -> bool:
    """Whether a connection from a pod with those labels reaches a TCP port of the pod. Objects are as the API has them."""
    meta = pod["metadata"]
    chosen = [
        policy
        for policy in policies
        if policy["metadata"]["namespace"] == meta["namespace"]
        and "Ingress" in policy["spec"].get("policyTypes", ["Ingress"])
        and selects(policy["spec"]["podSelector"], meta["labels"])
    ]
    rules = [rule for policy in chosen for rule in policy["spec"].get("ingress") or ()]
    return not chosen or any(
        _from(rule, meta["namespace"], from_namespace, from_pod) and _to(rule, pod, port) for rule in rules
    )


def selects(selector: Json, labels: Labels) -> bool:
    """Whether a label selector selects these labels; an empty one selects all."""
    return all(labels.get(name) == value for name, value in (selector.get("matchLabels") or {}).items()) and all(
        _expression(each, labels) for each in selector.get("matchExpressions") or ()
    )


def _expression(expression: Json, labels: Labels) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return value is not None
    assert expression["operator"] == "DoesNotExist"
    return value is None


def _from(rule: Json, own_namespace: str, namespace: Json, labels: Labels) -> bool:
    peers = rule.get("from") or ()
    return not peers or any(_peer(peer, own_namespace, namespace, labels) for peer in peers)


def _peer(peer: Json, own_namespace: str, namespace: Json, labels: Labels) -> bool:
    assert "ipBlock" not in peer
    if "namespaceSelector" in peer:
        near = selects(peer["namespaceSelector"], namespace["metadata"].get("labels") or {})
    else:
        near = namespace["metadata"]["name"] == own_namespace
    return near and selects(peer.get("podSelector") or {}, labels)


def _to(rule: Json, pod: Json, port: int) -> bool:
    named = {
        each["name"]: each["containerPort"] for container in pod["spec"]["containers"] for each in container["ports"]
    }
    for each in rule.get("ports") or ():
        first = named.get(each["port"], each["port"])
        if each.get("protocol", "TCP") == "TCP" and first <= port <= each.get("endPort", first):
            return True
    return not rule.get("ports")
