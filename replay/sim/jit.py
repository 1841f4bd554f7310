"""Compilation of the serving kernel to machine code, cached beside the source."""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Compile on the first call. Divisions follow IEEE 754; the order of operations is kept, so results repeat."""
    return cast("F", numba.njit(cache=True, error_model="numpy")(function))
