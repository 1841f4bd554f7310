"""The `outrider` command. Sub-commands are entry points: neither shell imports the other, and `--help` loads neither."""

import ast
import errno
import inspect
import os
import re
import sys
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points, version
from importlib.util import find_spec
from shutil import get_terminal_size
from types import ModuleType
from typing import Annotated, Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

GROUP = "outrider.commands"
OFFLINE = ("numba", "pyarrow")  # the extra `replay`


class Commands(TyperGroup):
    """Lists its commands by name, and loads only the one that is called."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002, ANN401
        """The names of the commands, without loading them."""
        return sorted(_entries())

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:  # noqa: ARG002, ANN401
        """A placeholder with the command's help line."""
        entry = _entries().get(cmd_name)
        return None if entry is None else TyperCommand(cmd_name, help=summary(entry), short_help=summary(entry))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401
        """Load the command that is called."""
        if not ctx.resilient_parsing and args and not args[0].startswith("-") and args[0] not in _entries():
            close = get_close_matches(args[0], _entries(), n=1)
            ctx.fail(f"No such command {args[0]!r}.{f' Did you mean {close[0]!r}?' if close else ''}")
        name, found, rest = super().resolve_command(ctx, args)
        entry = _entries().get(name or "")
        return (name, found, rest) if entry is None else (name, load(entry), rest)

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        """Write the help."""
        _fit(self)
        _import_help()
        super().format_help(ctx, formatter)


class Command(TyperCommand):
    """A command as `load` makes it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401
        """Without what the library puts before the reason of a refusal."""
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")
            raise

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        """Write the help."""
        _fit(self)
        _import_help()
        super().format_help(ctx, formatter)


app = typer.Typer(
    cls=Commands,
    name="outrider",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Autoscaler for LLM workloads on Kubernetes that scales ahead of traffic: it forecasts demand, prepares GPU nodes"
    " and images before they are needed, and gives KEDA the number of replicas to run.",
    epilog="Examples:\n$ outrider demo\n$ outrider replay sample:office-morning\n$ outrider COMMAND --help",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"outrider {version('outrider')}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Autoscaler for LLM workloads on Kubernetes."""


def _import_help() -> None:
    """Import what draws help without what it never draws here: parsers of Markdown and of code, which take 0.1 s."""
    unused = [
        each for each in (("rich.markdown", "Markdown"), ("rich.traceback", "Traceback")) if each[0] not in sys.modules
    ]
    for module, name in unused:
        sys.modules[module] = ModuleType(module)
        setattr(sys.modules[module], name, None)
    try:
        import typer.rich_utils  # noqa: F401, PLC0415 - only help needs it
    except ImportError:  # another version of it, which takes more of them: it is imported as usual
        return
    finally:
        for module, _ in unused:
            del sys.modules[module]


def _fit(command: TyperCommand | TyperGroup) -> None:
    """Make help a plain list below 80 columns, since a table would cut the names of options."""
    if get_terminal_size().columns < 80:
        from rich.text import Text  # noqa: PLC0415 - only help needs it

        command.rich_markup_mode = None
        command.epilog = f"\b\n{command.epilog}" if command.epilog else None
        for each in command.params:
            if isinstance(each, TyperOption | TyperArgument) and each.help:
                each.help = Text.from_markup(each.help).plain


def summary(entry: EntryPoint) -> str:
    """The first line of the command's module, read without importing it; empty where it cannot be read."""
    package, _, name = entry.module.rpartition(".")
    try:
        parent = find_spec(package)
        if parent is None or not parent.submodule_search_locations:
            return ""
        with open(f"{parent.submodule_search_locations[0]}/{name}.py", encoding="utf-8") as file:
            return (ast.get_docstring(ast.parse(file.read())) or "").partition("\n")[0]
    except (ImportError, OSError, SyntaxError, ValueError):
        return ""


def load(entry: EntryPoint) -> TyperCommand:
    """The command itself, with its options. Its docstring is its help; what stands below `Examples:` ends it."""
    function = entry.load()
    text, heading, examples = (inspect.getdoc(function) or "").partition("\n\nExamples:\n")
    single = typer.Typer(add_completion=False, rich_markup_mode="rich")
    single.command(
        name=entry.name,
        cls=Command,
        help=flowing(text),
        epilog=heading.lstrip() + re.sub(r"^ +", "$ ", examples, flags=re.MULTILINE) if heading else None,
    )(function)
    command = typer.main.get_command(single)
    command.name = entry.name
    return command  # type: ignore[return-value]


def flowing(text: str) -> str:
    """Each paragraph on one line, so that help wraps where the terminal ends. Indented lines and `- ` items stay lines."""
    return re.sub(r"(?<!\n)\n(?!\n| |- )", " ", text)


@cache
def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def main() -> None:
    """Run the command. Exit codes: 0 success; 1 failure, or the answer is no; 2 wrong usage or invalid input."""
    if "_OUTRIDER_COMPLETE" in os.environ:
        os.environ["TERMINAL_WIDTH"] = "1000"  # fish and zsh take the second line of a wrapped help for another value
    try:
        try:
            app()
        finally:
            if sys.stdout:  # None where it was closed
                sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # what `head` does once it has its lines; the interpreter would flush again, and complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.errno != errno.ENOSPC or error.filename:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        typer.echo(f"outrider: the output cannot be written: {error.strerror}", err=True)
        sys.exit(1)
    except ModuleNotFoundError as error:
        if error.name not in OFFLINE:
            raise
        typer.echo(f"outrider: {error.name} is not installed: run pip install 'outrider[replay]'", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
