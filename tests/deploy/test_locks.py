"""The four locks: one set of versions, hashes for all, and no address to download from."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = ("requirements.lock", "requirements-runtime.lock", "requirements-otel.lock", "requirements-build.lock")


def locked(name: str) -> set[str]:
    """Package, version and environment marker of each line, without the hashes."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return {line.removesuffix(" \\") for line in text.splitlines() if not line.startswith(" ")}


def names(requirements: set[str] | list[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9_.-]", each)[0] for each in requirements}


@pytest.mark.parametrize("name", LOCKS[1:])
def test_a_part_has_the_versions_of_the_whole(name: str) -> None:
    """A package that only some platforms need has a marker, which depends on who asks for it."""
    whole = {line.partition(" ;")[0] for line in locked("requirements.lock")}
    assert {line.partition(" ;")[0] for line in locked(name)} - whole == set()


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_has_hashes_and_none_an_address(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert text.count(" \\\n    --hash=sha256:") >= len(locked(name))
    assert "://" not in text
    assert "index-url" not in text


def test_the_runtime_lock_holds_the_dependencies_and_no_extra() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    runtime = names(locked("requirements-runtime.lock"))
    assert names(PROJECT["project"]["dependencies"]) <= runtime
    assert runtime & names(extras["replay"] + extras["otel"] + extras["dev"]) == set()


def test_the_lock_with_traces_holds_what_runs_and_that_extra() -> None:
    assert locked("requirements-runtime.lock") <= locked("requirements-otel.lock")
    extras = PROJECT["project"]["optional-dependencies"]
    assert names(extras["otel"]) <= names(locked("requirements-otel.lock"))


def test_the_build_lock_holds_the_build_system() -> None:
    wanted = PROJECT["build-system"]["requires"]
    assert PROJECT["dependency-groups"]["build"] == wanted
    assert set(wanted) <= locked("requirements-build.lock")
