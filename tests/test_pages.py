"""What the pages show: commands parse, targets and files exist, policies are valid, and quoted texts are the program's."""

import contextlib
import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import typer

from autoscaler.cli import GROUP, app, load
from autoscaler.settings import Settings
from crds.inspection import inspect
from replay.knobs import KNOBS
from replay.report.assertions import parse
from tests.sentences import FILE as SENTENCES
from tests.support.pages import PAGES, ROOT, Command, blocks, commands

ENTRIES = {entry.name: entry for entry in entry_points(group=GROUP)}
TARGETS = set(re.findall(r"^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
SHELL = set(
    "awk cd cp curl dask date docker done eval for git grep helm jq openssl pip python ray sed tar while".split()  # noqa: SIM905
)
VERBS = set(
    "annotate apply create delete describe exec get kustomize logs patch port-forward replace rollout wait".split()  # noqa: SIM905
)
FOLDERS = re.compile(r"(?:benchmarks|deploy|docs|replay|tests)/[\w./-]*")
KIND = re.compile(r"^kind: ScalingPolicy", re.MULTILINE)

COMMANDS = [command for page in PAGES for command in commands(page)]
POLICIES = [(page, line, text) for page in PAGES for line, text in blocks(page, "yaml") if KIND.search(text)]


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_command_can_be_typed(command: Command) -> None:
    """Every program in it is known to this test, and takes these words."""
    for words in command.parts:
        while words and (words[0] == "do" or re.fullmatch(r"[A-Z0-9_]+=.*", words[0])):
            del words[0]
        if not words:
            continue
        program, arguments = words[0].removeprefix(".venv/bin/"), words[1:]
        if program == "outrider":
            parses(arguments)
        elif program == "make":
            assert {each for each in arguments if "=" not in each} <= TARGETS
        elif program == "kubectl":
            verb = next(
                each for each in re.sub(r"-n \S+ ", "", " ".join(arguments)).split() if not each.startswith("-")
            )
            assert verb in VERBS
        else:
            assert program in SHELL


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_every_file_in_a_command_exists(command: Command) -> None:
    words = [word for words in command.parts for word in words if FOLDERS.fullmatch(word)]
    assert [word for word in words if not (ROOT / word).exists()] == []


def parses(arguments: list[str]) -> None:
    """The words are right for `outrider`, which does not run."""
    name = arguments[0]
    command = load(ENTRIES[name]) if name in ENTRIES else typer.main.get_command(app)
    assert name in ENTRIES or name.startswith("-"), f"no command {name}"
    with contextlib.suppress(typer.Exit):  # --help and --version end there
        given = command.make_context("outrider", arguments[1:] if name in ENTRIES else arguments).params
        for text in given.get("assertions") or ():
            parse(text)
        assert {*(given.get("sweep") or ())} <= {*KNOBS, "all"}


@pytest.mark.parametrize(("page", "line", "text"), POLICIES, ids=[f"{page.name}:{line}" for page, line, _ in POLICIES])
def test_a_policy_is_valid(page: Path, line: int, text: str) -> None:
    found = list(inspect(f"{page.name}:{line}", text))
    assert [problem for each in found for problem in each.lines()] == []
    assert all(each.resolved for each in found if each.title.startswith("ScalingPolicy"))


VARIABLE = re.compile(r"\bOUTRIDER_[A-Z_]+\b")
OF_THE_TESTS = re.compile(r"OUTRIDER_(?:E2E_|CONFORMANCE_|SHARED$)")


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=lambda page: page.name)
def test_every_setting_exists(page: Path) -> None:
    """The changelog names those of earlier versions as well."""
    named = {name for name in VARIABLE.findall(page.read_text(encoding="utf-8")) if not OF_THE_TESTS.match(name)}
    assert named - {f"OUTRIDER_{field.upper()}" for field in Settings.model_fields} == set()


QUOTED = re.compile(r"^> (.+(?:\n> .+)*)", re.MULTILINE)


def test_a_quoted_sentence_is_one_of_the_program() -> None:
    """A sentence of the list, with anything where it is filled in, or a part of it between ..."""
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    listed = [
        re.sub(r"\\\{[^}]*\}", ".+", re.escape(line)) for line in SENTENCES.read_text(encoding="utf-8").splitlines()
    ]
    quotes = [" ".join(quote.replace("\n> ", " ").split()) for quote in QUOTED.findall(page)]
    assert len(quotes) > 5
    assert [quote for quote in quotes if not any(re.fullmatch(line, quote) for line in listed)] == []
