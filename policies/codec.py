"""Core values to canonical JSON and back: `decode(type(x), encode(x)) == x`. Keys are sorted; each value has one spelling."""

import json
import math
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from policies.errors import CodecError

T = TypeVar("T")


def encode(value: object) -> str:
    """One line of canonical JSON. Raises ValueError for NaN and infinities, which must not be in a state."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def decode(kind: type[T], text: str) -> T:
    """The value that was encoded. Raises CodecError, which says what does not fit and where."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise CodecError(f"not JSON: {error}") from error
    return build(kind, data)


def plain(value: object) -> Any:
    """The value as dicts, lists, strings, numbers and None."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(getattr(value, name)) for name in _hints(type(value))}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    return value


def build(kind: type[T], data: Any) -> T:
    """A value of `kind` from plain data. Raises CodecError, which says what does not fit and where."""
    result: T = _build(kind, data, kind.__name__)
    return result


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _build(kind: Any, data: Any, where: str) -> Any:
    if is_dataclass(kind):
        return _build_dataclass(kind, data, where)
    origin = get_origin(kind)
    if origin is UnionType:
        inner = next(option for option in get_args(kind) if option is not NoneType)
        return None if data is None else _build(inner, data, where)
    if origin is tuple:
        return _build_tuple(get_args(kind), data, where)
    return _build_scalar(kind, data, where)


def _build_dataclass(kind: Any, data: Any, where: str) -> Any:
    hints = _hints(kind)
    if not isinstance(data, dict):
        raise CodecError(f"{where}: an object was expected, not {data!r}")
    if unknown := data.keys() - hints.keys():
        raise CodecError(f"{where}: unknown fields {sorted(unknown)}; was it written by a newer version?")
    values = {name: _build(hints[name], item, f"{where}.{name}") for name, item in data.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise CodecError(f"{where}: {error}") from error


def _build_tuple(kinds: tuple[Any, ...], data: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(data, list):
        raise CodecError(f"{where}: a list was expected, not {data!r}")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_build(kinds[0], item, f"{where}[{index}]") for index, item in enumerate(data))
    if len(kinds) != len(data):
        raise CodecError(f"{where}: {len(kinds)} items were expected, not {len(data)}")
    return tuple(_build(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(zip(kinds, data, strict=True)))


def _build_scalar(kind: Any, data: Any, where: str) -> Any:
    if kind is float and isinstance(data, int | float) and not isinstance(data, bool):
        return _build_float(data, where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(data)
        except ValueError as error:
            raise CodecError(f"{where}: {error}") from error
    if type(data) is not kind:
        raise CodecError(f"{where}: {kind.__name__} was expected, not {data!r}")
    return data


def _build_float(data: float, where: str) -> float:
    try:
        value = float(data)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise CodecError(f"{where}: a finite number was expected, not {value}")
    return value
