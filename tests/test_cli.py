"""The `outrider` command: its list of commands is light, every command loads, and wrong usage is reported."""

import subprocess
import sys
from importlib.metadata import EntryPoint, entry_points

import pytest
from typer.testing import CliRunner

from autoscaler.cli import GROUP, app, load, summary

ENTRIES = {entry.name: entry for entry in entry_points(group=GROUP)}
HEAVY = (
    "numpy",
    "scipy",
    "statsmodels",
    "grpc",
    "kubernetes",
    "kubernetes_asyncio",
    "aiohttp",
    "pyarrow",
    "numba",
    "pydantic",
)


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and all output, 200 columns wide."""
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"})
    return result.exit_code, result.output


def test_help_lists_every_command_with_its_line() -> None:
    code, text = run("--help")
    assert code == 0
    shown = " ".join(text.split())
    for entry in ENTRIES.values():
        assert entry.name in shown
        line = summary(entry)
        assert line.endswith("."), entry.name
        assert line in shown


@pytest.mark.parametrize(
    ("arguments", "loaded"),
    [(["--help"], []), (["run", "--help"], ["pydantic", "autoscaler.commands.run"])],  # the options are the settings
)
def test_help_loads_neither_shell(arguments: list[str], loaded: list[str]) -> None:
    program = (
        f"import sys; sys.argv = {['outrider', *arguments]!r}\n"
        "from autoscaler.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code == 0\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "ours = [m for m in sys.modules if m.split('.')[0] in ('policies', 'forecasting', 'crds')]\n"
        "ours += [m for m in sys.modules if m.startswith(('autoscaler.commands.', 'replay.commands.', 'replay.sim'))]\n"
        "print('loaded', heavy + ours)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == f"loaded {loaded}"


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_every_command_loads_and_shows_its_usage(name: str) -> None:
    assert load(ENTRIES[name]).name == name
    code, text = run(name, "--help")
    assert code == 0, text
    assert f"Usage: outrider {name}" in text


@pytest.mark.parametrize(
    "arguments", [("fly",), ("explain",), ("scaledobject", "a", "b"), ("explain", "--fly", "a"), ("--fly",)]
)
def test_wrong_usage_exits_2(arguments: tuple[str, ...]) -> None:
    code, text = run(*arguments)
    assert code == 2
    assert "Usage" in text


def test_an_unknown_command_is_named() -> None:
    assert "No such command 'fly'" in run("fly")[1]


def test_without_arguments_the_help_is_shown() -> None:
    assert "explain" in run()[1]


@pytest.mark.parametrize("module", ["replay.commands.nothing", "nothing.commands.fly", "nothing"])
def test_a_command_whose_module_is_not_there_hides_no_other(module: str) -> None:
    assert summary(EntryPoint("fly", f"{module}:command", GROUP)) == ""


def test_a_typo_in_a_command_suggests_the_nearest() -> None:
    code, text = run("repaly")
    assert code == 2
    assert "No such command 'repaly'. Did you mean 'replay'?" in text
    assert "Did you mean" not in run("xyzzy")[1]


@pytest.mark.parametrize(
    ("line", "completions"),
    [
        ("outrider re", {"redecide", "replay", "report"}),
        ("outrider explain --e", {"--every"}),
        ("outrider run --log-level w", {"warning"}),
    ],
)
def test_the_shell_completes_commands_options_and_choices(line: str, completions: set[str]) -> None:
    environment = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" ")), "_OUTRIDER_COMPLETE": "complete_bash"}
    assert set(CliRunner().invoke(app, [], env=environment).output.split()) == completions
