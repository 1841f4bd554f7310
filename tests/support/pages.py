"""The commands that the pages show: every line after `$` in a `console` block, with its continuation lines."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
OPERATORS = re.compile(r"\|\|?|&&|;|[()]|[0-9]?>>?|<")


@dataclass(frozen=True)
class Command:
    """A command line as a reader would type it."""

    page: Path
    line: int
    text: str
    section: str  # the heading above it

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}: {self.text}"

    @property
    def parts(self) -> list[list[str]]:
        """The words of each program that it calls; words in $(...) and file names after > are left out."""
        text = re.sub(r"\$\(.*\)", "X", self.text.replace("\\\n", " ")).replace("|\n", "|").replace("\n", ";")
        lexer = shlex.shlex(text, posix=True, punctuation_chars="|&;<>()")
        lexer.whitespace_split = True
        found: list[list[str]] = [[]]
        redirected = False
        for word in lexer:
            if OPERATORS.fullmatch(word):
                redirected = word in {">", ">>", "<"}
                found += [] if redirected else [[]]
            elif not redirected:
                found[-1].append(word)
            else:
                redirected = False
        return [words for words in found if words]


def goes_on(text: str) -> bool:
    """Whether bash would wait for another line."""
    return text.endswith(("\\", "|")) or len(re.findall(r"\bdo\b", text)) > len(re.findall(r"\bdone\b", text))


def blocks(page: Path, language: str) -> Iterator[tuple[int, str]]:
    """The blocks of a language, each with the number of its first line."""
    text = page.read_text(encoding="utf-8")
    for match in re.finditer(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield text.count("\n", 0, match.start()) + 2, match[1]


def commands(page: Path) -> list[Command]:
    """The commands of a page, in its order."""
    found: list[Command] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    for first, block in blocks(page, "console"):
        section = next((line for line in reversed(lines[:first]) if line.startswith("#")), "").lstrip("# ")
        for number, line in enumerate(block.splitlines(), first):
            if line.startswith("$ "):
                found.append(Command(page, number, line[2:], section))
            elif found and goes_on(found[-1].text):
                found[-1] = replace(found[-1], text=f"{found[-1].text}\n{line}")
    return found
