"""YAML as kubectl reads it, with the line of every member, and with duplicate keys reported as problems.

Unlike YAML 1.1, `10:30` is text, not 630 seconds, and a date is text; a float without a fraction is a whole number.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml

from crds.resolve.problems import Location, Problem, dotted
from crds.syntax import meaning

_MAX_VALUES = 200_000  # of a file, with every alias written out: 1,000 policies as `kubectl get -o yaml` prints them
_MAX_DEPTH = 50
_UNFIT = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError)  # what PyYAML raises for `!!int x`


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
    """Where reading stopped, why, and what to write instead."""

    line: int
    column: int
    why: str
    instead: str


def read(text: str) -> Iterator[Document | Unreadable]:
    """The documents of a file without empty ones, up to the first that cannot be read. Never raises."""
    if text.lstrip()[:1] in ("{", "["):
        text = text.replace("\t", " ")  # JSON may be indented with tabs; PyYAML takes none
    loader = None
    try:
        loader = _Loader(text)
        budget = iter(range(_MAX_VALUES))
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                continue
            found = _surveyed(node, budget)
            if isinstance(found, Unreadable):
                yield found
                return
            value = loader.construct_document(node)
            if value is not None:
                yield Document(value, *found)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        rest = text.splitlines()[line : line + 1]
        yield Unreadable(line + 1, column + 1, *meaning(error, rest[0] if rest else ""))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position)
        column = error.position - text.rfind("\n", 0, error.position)
        why = f"YAML does not allow the character U+{ord(text[error.position]):04X}"
        yield Unreadable(line + 1, column, why, "text without control characters")
    except RecursionError:
        yield _too_deep((loader.line if loader else 0) + 1, 1)


def _too_deep(line: int, column: int) -> Unreadable:
    return Unreadable(line, column, "nested too deeply, or inside itself by an alias", f"at most {_MAX_DEPTH} levels")


def _surveyed(root: yaml.Node, budget: Iterator[int]) -> tuple[dict[str, int], tuple[Problem, ...]] | Unreadable:
    """The line of every member, and a problem for each duplicate key. Each value takes one from the budget."""
    lines: dict[str, int] = {}
    problems: list[Problem] = []
    rest: list[tuple[Location, yaml.Node, yaml.Mark]] = [((), root, root.start_mark)]
    while rest:
        location, node, mark = rest.pop()
        if next(budget, None) is None:
            why = f"more than {_MAX_VALUES:,} values in the file, with every alias written out"
            return Unreadable(root.start_mark.line + 1, 1, why, "a smaller file, or fewer aliases")
        if len(location) > _MAX_DEPTH:
            return _too_deep(mark.line + 1, mark.column + 1)
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
    return lines, tuple(_joined(problems))


def _joined(problems: list[Problem]) -> list[Problem]:
    """The duplicate keys. Of two documents without --- between them, the first key stands for all others at the top."""
    seam = next((it for it in problems if it.path in ("apiVersion", "kind")), None)
    if seam is None:
        return problems
    top = replace(seam, instead="--- on a line of its own before the second document, or only one of the two")
    return [top, *(it for it in problems if "." in it.path or "[" in it.path)]


class _Loader(yaml.SafeLoader):
    """SafeLoader with the plain scalars of kubectl's YAML, a bound on its values, and an error with its line for each bad tag."""

    composed = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401
        self.composed += 1
        if self.composed > _MAX_VALUES:
            mark = self.get_mark()
            raise yaml.MarkedYAMLError(None, None, f"more than {_MAX_VALUES:,} values in the file", mark)
        return super().compose_node(parent, index)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401
        try:
            return super().construct_object(node, deep)
        except _UNFIT:
            problem = f"{str(node.value)[:40]!r} is not a valid {node.tag.rpartition(':')[2]}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None


def _int(loader: _Loader, node: yaml.ScalarNode) -> Any:  # noqa: ANN401
    value = loader.construct_yaml_int(node)
    return value if abs(value) < 2**64 else float(value)  # as JSON has it; Python does not print integers of any length


def _float(loader: _Loader, node: yaml.ScalarNode) -> Any:  # noqa: ANN401
    value = loader.construct_yaml_float(node)
    return int(value) if math.isfinite(value) and value.is_integer() and abs(value) < 2**53 else value


_REPLACED = ("int", "float", "timestamp", "value")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] not in _REPLACED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_INT = re.compile(r"[-+]?(0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)$")
_FLOAT = re.compile(r"([-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$")
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
_Loader.add_constructor("tag:yaml.org,2002:int", _int)
_Loader.add_constructor("tag:yaml.org,2002:float", _float)
