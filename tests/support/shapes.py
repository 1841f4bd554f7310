"""Whether an object fits a shape, without the API server: tests/e2e/test_admission.py asks the real one about the same objects."""

import re
from collections.abc import Iterator
from typing import Any

from autoscaler.actuators.shapes import Configured, Text, Tree


def misfits(tree: Tree, thing: Any, path: str = "") -> Iterator[str]:
    """The paths at which the object is not as its shape says."""
    if tree is ...:
        return
    if isinstance(tree, Text):
        fits = isinstance(thing, str) and re.search(tree.pattern, thing) is not None
    elif isinstance(tree, Configured):
        fits = thing == tree.default
    elif isinstance(tree, range):
        fits = isinstance(thing, int) and thing in tree
    elif isinstance(tree, list):
        fits = isinstance(thing, list) and len(thing) == len(tree)
    elif isinstance(tree, dict):
        fits = isinstance(thing, dict)
    else:
        fits = type(thing) is type(tree) and thing == tree
    if not fits:
        yield path
    elif isinstance(tree, list):
        for index, (member, given) in enumerate(zip(tree, thing, strict=True)):
            yield from misfits(member, given, f"{path}[{index}]")
    elif isinstance(tree, dict):
        members = {name.removesuffix("?"): name for name in tree if isinstance(name, str)}
        if ... not in tree:
            yield from (f"{path}.{name}" for name in thing if name not in members)
        for bare, name in members.items():
            if bare in thing:
                yield from misfits(tree[name], thing[bare], f"{path}.{bare}")
            elif not name.endswith("?"):
                yield f"{path}.{bare}"
