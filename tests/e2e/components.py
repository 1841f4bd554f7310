"""The real components of the cluster from `components.toml`, and the folder of each once it is built."""

import hashlib
import json
import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent


def cache() -> Path:
    """Where binaries are kept between runs, outside the tree; `OUTRIDER_E2E_CACHE` moves it."""
    given = os.environ.get("OUTRIDER_E2E_CACHE")
    return Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "outrider-e2e"


@dataclass(frozen=True)
class Group:
    """Programs that share one `go.mod`."""

    name: str
    module: str
    version: str
    programs: dict[str, str]
    files: dict[str, str] = field(default_factory=dict)
    ldflags: tuple[str, ...] = ()

    @property
    def source(self) -> Path:
        """The folder of its `go.mod`."""
        return HERE / "modules" / self.name

    @property
    def least_go(self) -> str:
        """The oldest Go that builds it."""
        found = re.search(r"^go (\S+)$", (self.source / "go.mod").read_text(), re.MULTILINE)
        assert found is not None, self.source
        return found[1]

    @property
    def home(self) -> Path:
        """The folder of its binaries; the name covers everything that determines their content."""
        digest = hashlib.sha256(json.dumps([self.programs, self.files, self.ldflags], sort_keys=True).encode())
        for name in ("go.mod", "go.sum", *self._own):
            digest.update((self.source / name).read_bytes())
        return cache() / f"{self.name}-{self.version}-{digest.hexdigest()[:12]}"

    @property
    def _own(self) -> list[str]:
        """The sources of programs that are not the module's."""
        own = [folder for folder in self.programs.values() if folder.startswith("./")]
        return sorted(str(path.relative_to(self.source)) for each in own for path in (self.source / each).glob("*.go"))

    def package(self, folder: str) -> str:
        """The import path of a folder of the module; a folder beside `go.mod` as it is."""
        if folder.startswith("./"):
            return folder
        return self.module if folder == "." else f"{self.module}/{folder}"


def groups() -> tuple[Group, ...]:
    """All groups, in build order."""
    listed = tomllib.loads((HERE / "components.toml").read_text())
    return tuple(
        Group(name=name, **{**table, "ldflags": tuple(table.get("ldflags", ()))}) for name, table in listed.items()
    )


def program(name: str) -> Path:
    """The path of one built program."""
    [group] = [group for group in groups() if name in group.programs]
    return group.home / "bin" / name


def files(group: str, name: str) -> Path:
    """A folder of files copied from a group's module."""
    [found] = [each for each in groups() if each.name == group]
    return found.home / "files" / name
