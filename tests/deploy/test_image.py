"""What the Dockerfile builds, made by its own steps in a folder: it runs, and holds nothing of the tests or of replay.

No container engine is needed: COPY copies, RUN runs with the paths of the image below a folder, and the base image is a
fresh virtual environment. What this does not show: the base image itself, and the user and ENTRYPOINT that it ends with.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.test_locks import PROJECT, ROOT, locked, names

DOCKERFILE = ROOT / "deploy" / "Dockerfile"
POLICY = ROOT / "deploy" / "examples" / "scalingpolicy.yaml"
pytestmark = pytest.mark.slow  # installs about 50 packages from the package index: a minute


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that stands for the image's /opt/outrider."""
    folder = tmp_path_factory.mktemp("image")
    base, source, made = folder / "base", folder / "src", folder / "outrider"
    source.mkdir()
    subprocess.run([sys.executable, "-m", "venv", base], check=True)
    environment = {**os.environ, "PATH": f"{base / 'bin'}:{os.environ['PATH']}", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    stage = DOCKERFILE.read_text(encoding="utf-8").split("\nFROM ")[1]
    for line in stage.replace("/opt/outrider", str(made)).splitlines():
        step, _, rest = line.partition(" ")
        if step == "COPY":
            *copied, target = rest.split()
            for each in copied:
                copy = shutil.copytree if (ROOT / each).is_dir() else shutil.copy
                copy(ROOT / each, source / target)
        elif step == "RUN":
            done = subprocess.run(
                ["sh", "-c", rest], check=False, cwd=source, env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return made


def outrider(image: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command, run outside the checkout."""
    command, bare = [str(image / "bin" / "outrider"), *arguments], {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, check=False, cwd=image, env=bare, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def python(image: Path, code: str) -> str:
    command = [str(image / "bin" / "python"), "-c", code]
    return subprocess.run(command, cwd=image, capture_output=True, text=True, check=True, timeout=60).stdout


def test_it_holds_the_runtime_lock_and_nothing_else(image: Path) -> None:
    listing = "import importlib.metadata as m, json; print(json.dumps([d.name.lower().replace('_', '-') for d in m.distributions()]))"
    held = set(json.loads(python(image, listing)))
    expected = {name.lower().replace("_", "-") for name in names(locked("requirements-runtime.lock"))} - {"colorama"}
    assert held == expected | {"outrider"}, "colorama is for Windows"
    extras = PROJECT["project"]["optional-dependencies"]
    assert held & names(extras["dev"] + extras["replay"]) == set()
    size = sum(path.stat().st_size for path in image.rglob("*") if path.is_file() and not path.is_symlink())
    print(f"{size / 1e6:.0f} MB")
    assert not [path for path in image.rglob("tests") if path.is_dir()]


def test_every_module_of_the_controller_can_be_imported(image: Path) -> None:
    python(
        image,
        "import importlib, pkgutil\n"
        "for name in ('autoscaler', 'crds', 'forecasting', 'policies'):\n"
        "    package = importlib.import_module(name)\n"
        "    for module in pkgutil.walk_packages(package.__path__, f'{name}.'):\n"
        "        if not module.name.endswith('.generate'):\n"
        "            importlib.import_module(module.name)\n",
    )


def test_the_commands_of_the_controller_work(image: Path) -> None:
    for arguments in (["--help"], ["run", "--help"], ["run", "--show-settings"], ["check", str(POLICY)]):
        code, out, err = outrider(image, *arguments)
        assert (code, bool(out + err), "Traceback" in err) == (0, True, False), err
    code, out, _ = outrider(image, "scaledobject", "-f", str(POLICY))
    assert (code, "kind: ScaledObject" in out) == (0, True)


@pytest.mark.parametrize(
    "command", [["replay", "sample:office-morning"], ["backtest", "sample:office-morning"], ["demo"]]
)
def test_an_offline_command_says_what_to_install(image: Path, command: list[str]) -> None:
    code, out, err = outrider(image, *command)
    assert (code, out) == (1, "")
    assert "pip install 'outrider[replay]'" in err
    assert len(err.splitlines()) == 1
