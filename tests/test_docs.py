"""The pages agree with the tree: every link leads somewhere, and every file and name in the architecture exists."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pages import PAGES, ROOT

FOLDERS = "autoscaler|benchmarks|crds|deploy|docs|forecasting|policies|replay|tests"
PATH = re.compile(rf"`((?:{FOLDERS})/[\w./-]*)`")
NAMED = re.compile(rf"`((?:{FOLDERS})/[\w./]+\.py)` `([\w.]+)`")  # a file and, right behind it, a name in it
PLACEHOLDER = re.compile("[A-Z]")  # as in crds/v1alpha1/KIND.py; no file of ours but README.md has capitals


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them; headings of one text share one anchor here."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def names(file: Path) -> Iterator[str]:
    """What a module defines, and each of its classes: Class, Class.method, function, CONSTANT."""

    def defined(body: list[ast.stmt], prefix: str) -> Iterator[str]:
        for node in body:
            if isinstance(node, ast.ClassDef):
                yield prefix + node.name
                yield from defined(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield prefix + node.name
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                yield from (prefix + target.id for target in targets if isinstance(target, ast.Name))

    return defined(ast.parse(file.read_text(encoding="utf-8")).body, "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", prose(page)):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_is_named_exists(page: Path) -> None:
    paths = [path for path in PATH.findall(prose(page)) if not PLACEHOLDER.search(path)]
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_stop_of_the_architecture_is_in_its_file() -> None:
    found = NAMED.findall(prose(ROOT / "docs" / "architecture.md"))
    assert len(found) > 30
    there = [(file, name) for file, name in found if (ROOT / file).exists()]  # else the test above names the file
    assert [f"{file} {name}" for file, name in there if name not in set(names(ROOT / file))] == []
