"""YAML as kubectl reads it, with the line of every member, and with duplicate keys reported as problems.

Unlike YAML 1.1, `10:30` is text, not 630 seconds, and a date is text; a float without a fraction is a whole number.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from crds.resolve.problems import Location, Problem, dotted

_MAX_NODES = 100_000  # the API server takes 1.5 MiB of etcd at most; aliases must not multiply beyond that
_MAX_DEPTH = 50


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file."""

    value: object
    lines: Mapping[str, int]  # path -> line, from 1; "" is the document's own
    problems: tuple[Problem, ...]

    def line(self, path: str) -> int:
        """The line of a member, or of the nearest object around it that exists."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path, 1)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Where reading stopped, and why."""

    line: int
    column: int
    why: str


def read(text: str) -> Iterator[Document | Unreadable]:
    """The documents of a file without empty ones, up to the first that cannot be read."""
    try:
        loader = _Loader(text)
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                continue
            if isinstance(found := _surveyed(node), Unreadable):
                yield found
                return
            lines, problems = found
            value = loader.construct_document(node)
            if value is not None:
                yield Document(value, lines, problems)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        why = ", ".join(part for part in (error.context, error.problem) if part)
        yield Unreadable(mark.line + 1 if mark else 1, mark.column + 1 if mark else 1, why)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        yield Unreadable(
            line, error.position - text.rfind("\n", 0, error.position), "a character that YAML does not allow"
        )
    except RecursionError:
        yield Unreadable(1, 1, "nested too deeply")
    except (ValueError, TypeError, AttributeError) as error:  # what PyYAML makes of `!!int x` and the like
        yield Unreadable(1, 1, f"a value that does not fit its tag: {error}")


def _surveyed(root: yaml.Node) -> tuple[dict[str, int], tuple[Problem, ...]] | Unreadable:
    """The line of every member, and a problem for each duplicate key."""
    lines: dict[str, int] = {}
    problems: list[Problem] = []
    rest: list[tuple[Location, yaml.Node, yaml.Mark]] = [((), root, root.start_mark)]
    for _ in range(_MAX_NODES):
        if not rest:
            return lines, tuple(problems)
        location, node, mark = rest.pop()
        if len(location) > _MAX_DEPTH:
            return Unreadable(mark.line + 1, mark.column + 1, "nested too deeply")
        lines.setdefault(dotted(location), mark.line + 1)
        if isinstance(node, yaml.SequenceNode):
            rest += [((*location, i), item, item.start_mark) for i, item in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            first: dict[str, int] = {}
            for key, item in node.value:
                name = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
                if name in first and name != "<<":
                    why = f"written twice, first on line {first[name]}"
                    value = item.value if isinstance(item, yaml.ScalarNode) else f"line {key.start_mark.line + 1}"
                    problems.append(Problem(dotted((*location, name)), value, why, "only one of the two"))
                first.setdefault(name, key.start_mark.line + 1)
                rest.append(((*location, name), item, key.start_mark))
    return Unreadable(root.start_mark.line + 1, 1, f"more than {_MAX_NODES:,} values")


class _Loader(yaml.SafeLoader):
    """SafeLoader with the plain scalars of kubectl's YAML."""


def _float(loader: _Loader, node: yaml.ScalarNode) -> Any:  # noqa: ANN401
    value = loader.construct_yaml_float(node)
    return int(value) if math.isfinite(value) and value.is_integer() and abs(value) < 2**53 else value


_REPLACED = ("int", "float", "timestamp")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] not in _REPLACED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_INT = re.compile(r"[-+]?(0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)$")
_FLOAT = re.compile(r"([-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$")
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
_Loader.add_constructor("tag:yaml.org,2002:float", _float)
