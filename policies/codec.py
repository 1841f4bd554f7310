"""Core values to canonical JSON and back: `decode(type(x), encode(x)) == x`. Keys are sorted; each value has one spelling."""

import json
import math
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

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
    return _plainer(cast("Any", type(value)))(value)


def build(kind: type[T], data: Any) -> T:
    """A value of `kind` from plain data. Raises CodecError, which says what does not fit and where."""
    try:
        result: T = _builder(cast("Any", kind))(data)
    except _MisfitError as misfit:
        raise CodecError(f"{kind.__name__}{misfit.path}: {misfit.why}") from misfit
    return result


class _MisfitError(Exception):
    """What does not fit, at a path such as `.decided.peaks[0]` below the value that is built."""

    def __init__(self, why: str, path: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.path = path

    def under(self, step: str) -> "_MisfitError":
        return _MisfitError(self.why, step + self.path)


_Builder = Callable[[Any], Any]
_PLAIN = (float, int, bool, str, float | None, int | None, str | None)  # fields of these types need no conversion


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


@cache
def _plainer(kind: type) -> Callable[[Any], Any]:
    """What makes a value of `kind` plain, made once: a decision of 128 pods has 5,000 values."""
    if is_dataclass(kind):
        return _dataclass_plainer(kind)
    if issubclass(kind, tuple | list):
        return lambda value: [item if type(item) is float else plain(item) for item in value]
    if issubclass(kind, Enum):
        return lambda value: value.value
    return lambda value: value


def _dataclass_plainer(kind: type) -> Callable[[Any], Any]:
    hints = _hints(kind)
    deeper = [name for name, hint in hints.items() if hint not in _PLAIN]

    def made(value: Any) -> dict[str, Any]:
        found = {name: getattr(value, name) for name in hints}
        for name in deeper:
            found[name] = plain(found[name])
        return found

    return made


@cache
def _builder(kind: Any) -> _Builder:
    """What builds a value of `kind`, made once: a decision log has hundreds of values a line."""
    if is_dataclass(kind):
        return _dataclass_builder(kind)
    origin, inner = get_origin(kind), get_args(kind)
    if origin is UnionType:
        some = _builder(next(option for option in inner if option is not NoneType))
        return lambda data: None if data is None else some(data)
    if origin is tuple:
        is_open = len(inner) == 2 and inner[1] is Ellipsis
        return _list_builder(_builder(inner[0])) if is_open else _tuple_builder([_builder(each) for each in inner])
    if kind is float:
        return _float
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum_builder(kind)
    return _plain_builder(kind)


def _dataclass_builder(kind: Any) -> _Builder:
    builders = {name: _builder(hint) for name, hint in _hints(kind).items()}

    def made(data: Any) -> Any:
        if not isinstance(data, dict):
            raise _MisfitError(f"an object was expected, not {data!r}")
        if unknown := data.keys() - builders.keys():
            raise _MisfitError(f"unknown fields {sorted(unknown)}; was it written by a newer version?")
        values, name = {}, ""
        try:
            for name, item in data.items():
                values[name] = builders[name](item)
        except _MisfitError as misfit:
            raise misfit.under(f".{name}") from None
        try:
            return kind(**values)
        except TypeError as error:
            raise _MisfitError(str(error)) from error

    return made


def _list_builder(builder: _Builder) -> _Builder:
    def made(data: Any) -> Any:
        return _tuple(data, [builder] * len(data) if isinstance(data, list) else [])

    return made


def _tuple_builder(builders: list[_Builder]) -> _Builder:
    def made(data: Any) -> Any:
        if isinstance(data, list) and len(data) != len(builders):
            raise _MisfitError(f"{len(builders)} items were expected, not {len(data)}")
        return _tuple(data, builders)

    return made


def _tuple(data: Any, builders: list[_Builder]) -> tuple[Any, ...]:
    if not isinstance(data, list):
        raise _MisfitError(f"a list was expected, not {data!r}")
    values: list[Any] = []
    try:
        for builder, item in zip(builders, data, strict=True):
            values.append(builder(item))  # its length says which one did not fit
    except _MisfitError as misfit:
        raise misfit.under(f"[{len(values)}]") from None
    return tuple(values)


def _enum_builder(kind: type[Enum]) -> _Builder:
    def made(data: Any) -> Any:
        try:
            return kind(data)
        except ValueError as error:
            raise _MisfitError(str(error)) from error

    return made


def _plain_builder(kind: Any) -> _Builder:
    def made(data: Any) -> Any:
        if type(data) is not kind:
            raise _MisfitError(f"{kind.__name__} was expected, not {data!r}")
        return data

    return made


def _float(data: Any) -> float:
    if type(data) not in (float, int):
        raise _MisfitError(f"float was expected, not {data!r}")
    try:
        value = float(data)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise _MisfitError(f"a finite number was expected, not {value}")
    return value
