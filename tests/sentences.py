"""Every sentence that the program can print, in one list: `python -m tests.sentences` writes it anew.

A sentence is any text of two words or more in the code that is no docstring; of a command, the docstring too, since it is its
help. What stands in braces is filled in when it is printed; the explanations of decisions follow at the end with real numbers.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import yaml

from policies.combine import whole
from policies.explain import explain, phrase
from policies.model import Mode, Plan, Reason, Rule
from tests.policies.test_explain import a_rich_history
from tests.support.worlds import a_plan

ROOT = Path(__file__).parents[1]
CRD = ROOT / "deploy" / "00-crd.yaml"
FILE = Path(__file__).with_name("sentences.txt")
PACKAGES = ("autoscaler", "crds", "forecasting", "policies", "replay")
GENERATED = "externalscaler_pb2"
TWO_WORDS = re.compile(r"[A-Za-z,;:]{2,} [a-z{(]")


def listed() -> str:
    """The list, by file."""
    parts = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            found = [] if GENERATED in path.name else list(dict.fromkeys(sentences(path)))
            if found:
                parts.append("\n".join([f"== {path.relative_to(ROOT)}", *found]))
    described = dict.fromkeys(" ".join(text.split()) for text in descriptions(*yaml.safe_load_all(CRD.read_text())))
    parts.append("\n".join(["== deploy/00-crd.yaml, as kubectl explain shows it", *described]))
    parts.append("\n".join(["== one decision for each rule, as a user reads it", *dict.fromkeys(explained())]))
    return "\n\n".join(parts) + "\n"


def descriptions(*nodes: object) -> Iterator[str]:
    """Every description in a schema."""
    for node in nodes:
        if isinstance(node, dict):
            if isinstance(node.get("description"), str):
                yield node["description"]
            yield from descriptions(*node.values())
        elif isinstance(node, list):
            yield from descriptions(*node)


def explained() -> list[str]:
    """For each rule the shortest explanation of a decision that names it; then what mode Shadow makes of one."""
    plans = a_rich_history()
    decisions = [(now, explain(now, before)) for before, now in zip([None, *plans], plans, strict=False)]
    rare = (
        Reason(Rule.LEAD, 5.6, (("lead_seconds", 694.0),)),
        Reason(Rule.GRANT, 3.0, (("asked", 5.0),)),
        Reason(Rule.SMALL_FLEET, 1.0, (("level", 0.8),)),
    )
    decisions += [(plan, explain(plan)) for plan in (a_plan(whole(reason.replicas), reason) for reason in rare)]
    shadow = [replace(plans[0], mode=Mode.SHADOW, current_replicas=current) for current in (1, 3, 5, None)]
    active = [min((text for now, text in decisions if _names(now, text, rule)), key=len) for rule in Rule]
    return active + [explain(plan) for plan in shadow]


def _names(plan: Plan, text: str, rule: Rule) -> bool:
    reasons = (*plan.replica_reasons, *plan.prepared_reasons)
    return any(reason.rule is rule and phrase(reason) in text for reason in reasons)


def sentences(path: Path) -> Iterator[str]:
    """The sentences of one file, in its order."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = set(_docstrings(tree))
    if path.parent.name == "commands":
        yield from (" ".join(str(node.value).split()) for node in _command_docstrings(tree))
    for node in _texts(tree):
        if id(node) not in docstrings and TWO_WORDS.search(text := _text(node)):
            yield " ".join(text.split())


def _texts(tree: ast.AST) -> Iterator[ast.Constant | ast.JoinedStr]:
    """Texts in the order of the source; the parts of an f-string are one text."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.JoinedStr):
            yield node
            for part in node.values:
                if isinstance(part, ast.FormattedValue):
                    yield from _texts(part)
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, str):
                yield node
        else:
            yield from _texts(node)


def _text(node: ast.Constant | ast.JoinedStr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    return "".join(_text(part) if isinstance(part, ast.Constant) else "{" + _name(part) + "}" for part in node.values)


def _name(part: ast.expr) -> str:
    """A short name for what is filled in."""
    names = [
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in ast.walk(part)
        if isinstance(node, ast.Attribute | ast.Name)
    ]
    return names[0] if names else "..."


def _docstrings(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            text := _docstring(node)
        ):
            yield id(text)


def _command_docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    for node in (tree, *tree.body):
        named = isinstance(node, ast.Module) or (isinstance(node, ast.FunctionDef) and node.name == "command")
        if named and (text := _docstring(node)):
            yield text


def _docstring(node: ast.AST) -> ast.Constant | None:
    body = getattr(node, "body", [])
    first = body[0].value if body and isinstance(body[0], ast.Expr) else None
    return first if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


if __name__ == "__main__":
    FILE.write_text(listed(), encoding="utf-8")
    sys.stdout.write(f"{FILE}\n")
