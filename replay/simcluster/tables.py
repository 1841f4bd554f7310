"""Objects as the rows of a table, which is what `kubectl get` asks for and prints."""

import re
from collections.abc import Iterable

from crds.notation.timestamps import unix_seconds
from crds.v1alpha1.resource import Column
from replay.simcluster.resources import Json, Resource

NAME = Column("Name", "string", ".metadata.name")
_STEP = re.compile(r"\.(\w+)|\[\?\(@\.(\w+)=='(\w+)'\)\]")  # a member, or the element of a list with that member


def asked(accept: str) -> bool:
    """Whether an Accept header asks for a table first, as kubectl's does."""
    first = [part.strip() for part in accept.partition(",")[0].split(";")]
    return {"as=Table", "v=v1", "g=meta.k8s.io"} <= set(first)


def table(resource: Resource, held: Json, now_seconds: float) -> Json:
    """The table of an object or of a list of objects; dates become ages at `now_seconds`, scenario time."""
    columns = (NAME, *resource.columns)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": held["metadata"]["resourceVersion"]},
        "columnDefinitions": [_definition(column) for column in columns],
        "rows": [_row(columns, one, now_seconds) for one in held.get("items", [held])],
    }


def _definition(column: Column) -> Json:
    form = "name" if column is NAME else ""
    priority = int(column.wide)
    return {
        "name": column.name,
        "type": column.type,
        "format": form,
        "description": column.description,
        "priority": priority,
    }


def _row(columns: Iterable[Column], held: Json, now_seconds: float) -> Json:
    about = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": held["metadata"]}
    return {"cells": [_cell(column, held, now_seconds) for column in columns], "object": about}


def _cell(column: Column, held: Json, now_seconds: float) -> str | int | None:
    found: object = held
    for member, key, value in _STEP.findall(column.path):
        if isinstance(found, dict):
            found = found.get(member)
        elif isinstance(found, list):
            found = next((each for each in found if each.get(key) == value), None)
    if found is None:
        return None
    if column.type == "date":
        return age(now_seconds - unix_seconds(str(found)))
    return found if isinstance(found, int) and column.type == "integer" else str(found)


def age(seconds: float) -> str:
    """A duration as kubectl prints it, in one unit or two: `45s`, `3m20s`, `7h5m`, `4d6h`."""
    whole = max(0, int(seconds))
    minutes, hours, days = whole // 60, whole // 3600, whole // 86_400
    if whole < 120:
        return f"{whole}s"
    if minutes < 180:
        return f"{minutes}m" + (_rest(whole % 60, "s") if minutes < 10 else "")
    if hours < 48:
        return f"{hours}h" + (_rest(minutes % 60, "m") if hours < 8 else "")
    return f"{days}d" + (_rest(hours % 24, "h") if days < 8 else "")


def _rest(amount: int, unit: str) -> str:
    return f"{amount}{unit}" if amount else ""
