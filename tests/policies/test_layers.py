"""The core imports nothing but itself and a list of plain modules of the standard library."""

import ast
from pathlib import Path

import policies

ALLOWED = {"bisect", "collections", "dataclasses", "enum", "functools", "heapq", "itertools", "math", "types", "typing"}
ALLOWED_IN = {"codec.py": {"json"}, "log.py": {"json"}}


def test_the_core_imports_only_what_is_allowed() -> None:
    root = Path(policies.__file__).parent
    files = sorted(root.rglob("*.py"))
    assert len(files) > 10
    wrong = [
        f"{file.name}:{node.lineno} {name}"
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in _imports(node)
        if name.partition(".")[0] not in ALLOWED | ALLOWED_IN.get(file.name, set()) | {"policies"}
    ]
    assert wrong == []


def test_the_core_calls_nothing_that_reaches_outside() -> None:
    root = Path(policies.__file__).parent
    reached = [
        f"{file.name}:{node.lineno} {node.func.id}"
        for file in sorted(root.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if node.func.id in {"open", "print", "input", "eval", "exec", "compile", "__import__"}
    ]
    assert reached == []


def _imports(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return ["." * node.level + (node.module or "")]
