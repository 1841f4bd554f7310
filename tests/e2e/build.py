"""Build the real components of the cluster with Go, once for each state of `modules/`; run `python -m tests.e2e.build`.

It needs a Go toolchain and the module proxy, nothing else. The results stay outside the tree (`components.cache`) for
the next run. A group that is half built when the run ends is built again.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from tests.e2e.components import Group, cache, groups

LOG_EVERY_SECONDS = 30  # how often progress is printed where output is not a terminal


class BuildError(Exception):
    """A component cannot be built; the message says why and what to do."""


def environment() -> dict[str, str]:
    """Go's environment: local toolchain, committed checksums, no C compiler."""
    fixed = {
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-buildvcs=false -trimpath -mod=readonly",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }
    return {**os.environ, **fixed}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def need_go(wanted: Sequence[Group]) -> None:
    """Raise BuildError unless Go is installed and new enough for every wanted group."""
    needs = max(wanted, key=lambda group: _numbers(group.least_go))
    advice = f"install Go {needs.least_go} or newer (https://go.dev/dl) and put its bin folder on PATH"
    if shutil.which("go") is None:
        raise BuildError(f"go is not there, and {', '.join(g.name for g in wanted)} must be built: {advice}")
    found = _ask(["env", "GOVERSION"], None, "this go does not work")
    if _numbers(found) < _numbers(needs.least_go):
        raise BuildError(f"{found} is too old for {needs.name} {needs.version}: {advice}")


def _ask(question: Sequence[str], folder: Path | None, problem: str) -> str:
    """The output of a go command. Raises BuildError with the problem and the end of Go's error output."""
    answer = subprocess.run(
        ["go", *question], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    if answer.returncode:
        raise BuildError(f"{problem}\n{_tail(answer.stderr)}")
    return answer.stdout.strip()


def _packages(group: Group) -> int:
    """The number of packages in a group's programs; fetches the modules."""
    wanted = [group.package(folder) for folder in group.programs.values()]
    answer = _ask(["list", "-deps", *wanted], group.source, f"{group.name}: cannot fetch its modules")
    return len(answer.splitlines())


def _tail(text: str) -> str:
    return "\n".join(text.splitlines()[-15:])


def _compile(group: Group, into: Path) -> Iterator[str]:
    """Build a group's programs into a folder; yields each package once it is compiled."""
    flags = " ".join(["-s -w", *group.ldflags])
    for name, folder in group.programs.items():
        command = ["go", "build", "-v", f"-ldflags={flags}", "-o", str(into / name), group.package(folder)]
        said: list[str] = []
        with subprocess.Popen(
            command, cwd=group.source, env=environment(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        ) as running:
            for line in running.stderr or ():
                said.append(line)
                yield line.strip()
        if running.returncode:
            raise BuildError(f"{name} does not build\n{_tail(''.join(said))}")


def _read_files(group: Group, into: Path) -> None:
    question = ["list", "-m", "-f", "{{.Dir}}", group.module]
    found = Path(_ask(question, group.source, f"{group.name}: cannot find its module"))
    for name, folder in group.files.items():
        shutil.copytree(found / folder, into / name, copy_function=shutil.copyfile)
    for copied in into.rglob("*/"):
        copied.chmod(0o755)  # the module cache is read-only, and a copy of it could not be removed


@contextmanager
def _alone(console: Console) -> Iterator[None]:
    """Allow one build at a time on a machine; a second one waits and then finds everything built."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.print("another build runs; waiting until it is done")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(console: Console) -> None:
    """Build what is missing. Raises BuildError."""
    try:
        _build_missing(console)
    except OSError as error:
        where = f"into {cache()}, which OUTRIDER_E2E_CACHE can move"
        raise BuildError(f"{where}: {error}") from error


def _build_missing(console: Console) -> None:
    if all(group.home.is_dir() for group in groups()):
        return
    with _alone(console):
        missing = [group for group in groups() if not group.home.is_dir()]
        if not missing:
            return
        need_go(missing)
        console.print(f"building {', '.join(g.name for g in missing)} (all six take about 25 minutes on 2 cores)")
        with Progress(
            TextColumn("{task.description:12}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("packages"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        ) as bars:
            for group in missing:
                _build(group, bars, console)


def _build(group: Group, bars: Progress, console: Console) -> None:
    began = logged = time.monotonic()
    bar = bars.add_task(group.name, total=None)
    console.print(f"  {group.name}: fetching modules")
    total, done = _packages(group), 0
    bars.update(bar, total=total)
    half = group.home.with_name(f"{group.home.name}.part")
    shutil.rmtree(half, ignore_errors=True)
    (half / "bin").mkdir(parents=True)
    for _ in _compile(group, half / "bin"):
        done = min(done + 1, total)
        bars.update(bar, completed=done)
        if not console.is_terminal and time.monotonic() - logged > LOG_EVERY_SECONDS:
            logged = time.monotonic()
            console.print(f"  {group.name}: {done} of {total} packages, {logged - began:.0f} s")
    _read_files(group, half / "files")
    half.rename(group.home)
    bars.update(bar, completed=total)
    console.print(f"  {group.name} {group.version}: built in {time.monotonic() - began:.0f} s")


def main() -> int:
    """Build what is missing; print what went wrong."""
    console = Console(stderr=True)
    try:
        build(console)
    except BuildError as error:
        console.print(Text("cannot build", "red"), Text(str(error)), soft_wrap=True)  # Go's [words] are no markup
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
