"""The list of components, and their build with a `go` that compiles nothing."""

import fcntl
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e import build, components
from tests.e2e.components import Group, groups
from tests.e2e.harness import until

GROUPS = {group.name: group for group in groups()}
FAKE_GO = """#!/bin/sh
echo "$@" >> {calls}
{breaks}
case "$1 $2" in
  "env GOVERSION") echo {version};;
  "list -deps") echo one; echo two;;
  "list -m") echo {module};;
  "build -v")
    echo one >&2
    {fails}
    while [ "$1" != "-o" ]; do shift; done
    echo built > "$2";;
esac
"""


@pytest.mark.parametrize("group", groups(), ids=GROUPS)
def test_go_mod_pins_what_the_list_says(group: Group) -> None:
    required = re.search(rf"^require {re.escape(group.module)} (\S+)$", (group.source / "go.mod").read_text(), re.M)
    assert required is not None
    assert required[1] == group.version
    of_module = {group.package(folder) for folder in group.programs.values() if not folder.startswith("./")}
    tools = group.source / "tools.go"
    assert set(re.findall(r'_ "(.+)"', tools.read_text() if tools.exists() else "")) == of_module


def test_the_parts_of_kubernetes_are_of_one_version() -> None:
    group = GROUPS["kubernetes"]
    text = (group.source / "go.mod").read_text()
    assert set(re.findall(r"^\tk8s\.io/\S+ => \S+ (\S+)$", text, re.M)) == {group.version.replace("v1.", "v0.")}
    _, minor, _ = group.version.split(".")
    flags = " ".join(group.ldflags)
    assert f"gitVersion={group.version}" in flags
    assert f"gitMinor={minor}" in flags


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing built and no Go; its `bin` is the whole PATH beside the shell's."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}")
    monkeypatch.setenv("OUTRIDER_E2E_CACHE", str(tmp_path / "cache"))
    for name in ("crds", "pkg/apis/crds", "kwok/apis/crds", "kustomize/stage", "config/crd/bases"):
        (tmp_path / "module" / name).mkdir(parents=True)
        (tmp_path / "module" / name / "thing.yaml").touch(0o444)
    return tmp_path


def _install_go(machine: Path, version: str = "go1.99.0", fails: str = "", breaks: str = "") -> None:
    values = {"calls": machine / "calls", "version": version, "module": machine / "module"}
    values |= {"fails": fails, "breaks": breaks}
    (machine / "bin" / "go").write_text(FAKE_GO.format(**values))
    (machine / "bin" / "go").chmod(0o755)


COMMAND = [sys.executable, "-m", "tests.e2e.build"]
ROOT = Path(__file__).parents[2]


def test_without_go_it_says_what_to_do(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build.main() == 1
    said = capsys.readouterr().err
    assert "go is not there" in said
    assert "go.dev/dl" in said


def test_an_old_go_is_refused(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _install_go(machine, "go1.20.3")
    assert build.main() == 1
    said = capsys.readouterr().err
    assert "go1.20.3 is too old for karpenter" in said


@pytest.mark.parametrize("question", ["env GOVERSION", "list -deps", "list -m", "build -v"])
def test_what_go_prints_is_reported_as_it_is(machine: Path, question: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = "x@v1 [retracted], a[/b]"
    _install_go(machine, breaks=f'[ "$1 $2" = "{question}" ] && {{ echo "{said}" >&2; exit 2; }}')
    assert build.main() == 1
    assert capsys.readouterr().err.endswith(f"{said}\n")


def test_a_cache_that_cannot_be_created_is_reported(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _install_go(machine)
    (machine / "cache").touch()
    assert build.main() == 1
    said = capsys.readouterr().err
    assert "OUTRIDER_E2E_CACHE" in said


def test_a_second_build_says_that_it_waits(machine: Path) -> None:
    _install_go(machine)
    (machine / "cache").mkdir()
    said = machine / "said"
    with (machine / "cache" / "lock").open("w") as lock, said.open("w") as stderr:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = subprocess.Popen(COMMAND, stderr=stderr, cwd=ROOT)
        try:
            until(lambda: "another build runs" in said.read_text(), 20, "the message that it waits")
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)
            second.wait(60)
    assert second.returncode == 0
    assert "kubernetes: fetching modules" in said.read_text()


def test_a_build_is_kept_and_not_done_again(machine: Path) -> None:
    _install_go(machine)
    assert build.main() == 0
    for group in groups():
        assert {path.name for path in (group.home / "bin").iterdir()} == set(group.programs)
        for name in group.files:
            assert (components.files(group.name, name) / "thing.yaml").exists()
    (machine / "bin" / "go").unlink()  # and no Go is needed any more
    assert build.main() == 0


def test_what_does_not_build_is_reported_and_not_kept(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _install_go(machine, fails="echo undefined: x >&2; exit 1")
    assert build.main() == 1
    said = capsys.readouterr().err
    assert "kube-apiserver does not build" in said
    assert "undefined: x" in said
    assert not GROUPS["kubernetes"].home.exists()
    _install_go(machine)
    assert build.main() == 0


def test_other_sums_are_another_build(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = GROUPS["etcd"]
    before = group.home
    copied = machine / "modules" / "etcd"
    copied.mkdir(parents=True)
    for name in ("go.mod", "go.sum"):
        (copied / name).write_text((group.source / name).read_text() + "\n")
    monkeypatch.setattr(components, "HERE", machine)
    assert group.home != before
