"""The `outrider` command: its list of commands is light, every command loads, and wrong usage is reported."""

import ast
import os
import re
import shlex
import subprocess
import sys
from importlib.metadata import EntryPoint, entry_points, version
from itertools import pairwise, takewhile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autoscaler.cli import GROUP, app, load, main, summary
from autoscaler.settings import Settings
from tests.autoscaler.records.logs import write_log

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
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
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


def loaded_by(*arguments: str, **environment: str) -> set[str]:
    """The heavy modules and the modules of ours that a call imports."""
    program = (
        f"import sys; sys.argv = {['outrider', *arguments]!r}\n"
        "from autoscaler.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code in (0, None)\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "ours = [m for m in sys.modules if m.split('.')[0] in ('policies', 'forecasting', 'crds')]\n"
        "ours += [m for m in sys.modules if m.startswith(('autoscaler.commands.', 'replay.commands.', 'replay.sim'))]\n"
        "print('loaded', heavy + ours)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ | environment
    )
    return set(ast.literal_eval(done.stdout.splitlines()[-1].removeprefix("loaded ")))


@pytest.mark.parametrize(
    ("arguments", "loaded"),
    [
        (["--help"], set()),
        (["--version"], set()),
        (["run", "--help"], {"pydantic", "autoscaler.commands.run"}),  # the options are the settings
    ],
)
def test_help_loads_neither_shell(arguments: list[str], loaded: set[str]) -> None:
    assert loaded_by(*arguments) == loaded


def test_completion_of_a_trace_waits_for_no_heavy_import() -> None:
    line = {"COMP_WORDS": "outrider replay s", "COMP_CWORD": "2", "_OUTRIDER_COMPLETE": "complete_bash"}
    assert loaded_by(**line) & set(HEAVY) <= {"pydantic"}  # typer's own


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
        ("outrider replay sample:o", {"sample:office-morning", "sample:office-weeks"}),
        ("outrider replay x.csv --past ", {"trace", "generated", "none"}),
        ("outrider replay x.csv --profile 8b-a", {"8b-a10g", "8b-a100"}),
        ("outrider backtest --profile 8b-h", {"8b-h100", "8b-h200"}),
        ("outrider demo --trace s", {"sample:office-morning", "sample:office-weeks", "sample:flood"}),
        ("outrider replay scenario:s", {"scenario:six-models", "scenario:stock-out"}),
        ("outrider replay w", {"week.csv.gz"}),
        ("outrider replay p", {"policy.yaml"}),
        (
            "outrider backtest ",
            {"sample:office-morning", "sample:office-weeks", "sample:flood", "week.csv.gz", "decisions/"},
        ),
        ("outrider check ", {"policy.yaml", "decisions/"}),
        ("outrider scaledobject -f p", {"policy.yaml"}),
        ("outrider simulate --policy p", {"policy.yaml"}),
        ("outrider explain d", {"decisions/decisions-1.jsonl", "decisions/decisions-2.jsonl"}),
        ("outrider redecide decisions/decisions-2", {"decisions/decisions-2.jsonl"}),
        ("outrider explain nothing/", set()),
        ("outrider coldstart --sv", {"--svg"}),
        ("outrider coldstart decisions/decisions-1", {"decisions/decisions-1.jsonl"}),
        ("outrider fly --f", set()),
    ],
)
def test_the_shell_completes_commands_options_and_values(
    line: str, completions: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "decisions").mkdir()
    for name in (".hidden.csv", "notes.txt", "policy.yaml", "week.csv.gz", "decisions/decisions-1.jsonl"):
        (tmp_path / name).touch()
    (tmp_path / "decisions" / "decisions-2.jsonl").touch()
    monkeypatch.chdir(tmp_path)
    environment = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" ")), "_OUTRIDER_COMPLETE": "complete_bash"}
    assert set(CliRunner().invoke(app, [], env=environment).output.split()) == completions


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_a_completed_option_has_its_help_on_one_line(shell: str) -> None:
    line = {"_TYPER_COMPLETE_ARGS": "outrider run --prom", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    program = Path(sys.executable).with_name("outrider")
    environment = os.environ | line | {"_OUTRIDER_COMPLETE": f"complete_{shell}"}
    done = subprocess.run([program], env=environment, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == sum(name.startswith("prometheus_") for name in Settings.model_fields) > 2
    assert all("--prometheus-" in each and "[default" in each for each in lines)


def test_the_completed_values_are_those_that_exist() -> None:
    from replay.commands.options import FIGURES, SAMPLES, SWEEPS
    from replay.knobs import KNOBS
    from replay.report.assertions import METRICS
    from replay.traces import samples

    assert [f"sample:{name}" for name in samples.SAMPLES] == list(SAMPLES)
    assert list(METRICS) == list(FIGURES)
    assert [*KNOBS, "all"] == list(SWEEPS)


PARAGRAPH_EDGE = 2  # columns of padding, one on each side


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize(
    "command", [(), *((name,) for name in sorted(ENTRIES))], ids=lambda it: " ".join(it) or "outrider"
)
def test_help_is_wrapped_where_the_terminal_ends_and_closes_with_examples(
    command: tuple[str, ...], width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    app([*command, "--help"], prog_name="outrider", standalone_mode=False)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in lines), "a name is cut"
    prose = list(takewhile(lambda line: not line.startswith(("╭", "Arguments:", "Options:")), lines))
    assert len(prose) > 3
    for line, following in pairwise(prose):
        if line and re.match(" {1,2}[^ -]", following):
            assert len(f"{line} {following.split()[0]}") > width - PARAGRAPH_EDGE, (line, following)
    last = [line.strip() for line in lines if line.strip()]
    examples = last[last.index("Examples:") + 1 :]
    assert examples
    assert all(line.startswith("$ ") for line in examples)
    assert all(" ".join(("outrider", *command)) in line for line in examples)


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_the_examples_are_valid(name: str) -> None:
    command = load(ENTRIES[name])
    for line in (command.epilog or "").splitlines()[1:]:
        for part in line.removeprefix("$ ").split(" | "):
            program, called, *arguments = shlex.split(part)
            if program == "outrider":
                assert called == name
                command.make_context(name, arguments).close()


def test_the_version_is_that_of_the_package() -> None:
    assert run("--version") == (0, f"outrider {version('outrider')}\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_installed_and_calls_the_command(
    shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("typer._completion_shared._get_shell_name", lambda: shell)
    result = CliRunner().invoke(app, ["--install-completion"], prog_name="outrider")
    assert result.exit_code == 0
    assert f"{shell} completion installed in" in result.output
    scripts = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert any("_OUTRIDER_COMPLETE=complete_" in text for text in scripts)


def test_a_reader_that_goes_away_gets_no_traceback(tmp_path: Path) -> None:
    write_log(tmp_path)
    read, write = os.pipe()
    os.close(read)
    program = Path(sys.executable).with_name("outrider")
    done = subprocess.run(
        [program, "explain", tmp_path, "--every"], stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_named() -> None:
    program = Path(sys.executable).with_name("outrider")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([program, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "outrider: the output cannot be written: No space left on device\n"


def test_ctrl_c_exits_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("autoscaler.cli.load", interrupted)
    assert run("explain", "x")[0] == 130


def test_ctrl_c_during_the_first_imports_leaves_no_traceback() -> None:
    program = """
import sys
class Interrupted:
    def find_spec(self, name, *_):
        if name == "typer":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
from autoscaler.entry import main
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "")


def test_what_the_offline_side_needs_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'numba'", name="numba")

    monkeypatch.setattr("autoscaler.cli.load", missing)
    monkeypatch.setattr(sys, "argv", ["outrider", "replay", "x"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    assert capsys.readouterr().err == "outrider: numba is not installed: run pip install 'outrider[replay]'\n"
