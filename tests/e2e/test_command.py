"""`python -m tests.e2e`: what it must not touch, and, on the real thing, up and down."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.__main__ import main
from tests.e2e.harness import until

ROOT = Path(__file__).parents[2]


def _code(folder: Path, verb: str) -> int:
    """Its exit code, within this process."""
    return main([f"--folder={folder}", verb])


def _run(folder: Path, verb: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.e2e", f"--folder={folder}", verb]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=180)


@pytest.mark.parametrize("verb", ["up", "stay"])
def test_a_folder_of_something_else_is_left_alone(
    tmp_path: Path, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "precious").touch()
    assert _code(tmp_path, "down") == 0
    assert _code(tmp_path, verb) == 2
    assert "no cluster of ours" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_down_ends_no_other_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A process id that a keeper left behind is another's by now."""
    bystander = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    (tmp_path / "keeper").write_text(str(bystander.pid))
    assert (_code(tmp_path, "down"), bystander.poll()) == (0, None)
    assert "no cluster runs" in capsys.readouterr().err
    bystander.kill()
    bystander.wait()


def test_down_without_a_folder(tmp_path: Path) -> None:
    assert _code(tmp_path / "absent", "down") == 0
    assert not (tmp_path / "absent").exists()


@pytest.mark.e2e
def test_up_and_down(tmp_path: Path) -> None:
    """Also in a folder whose name has a space, twice at once, after its keeper was killed, and twice in a row."""
    folder = tmp_path / "of mine"
    command = [sys.executable, "-m", "tests.e2e", f"--folder={folder}", "up"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(2)]
    try:
        printed = [each.communicate(timeout=180)[0] for each in both]
        assert [each.returncode for each in both] == [0, 0]
        assert printed[0] == printed[1]
        nodes = subprocess.run(
            ["bash", "-c", 'eval "$0" && kubectl get --raw /readyz', printed[0]],
            capture_output=True,
            text=True,
            check=False,
        )
        assert nodes.stdout == "ok", nodes.stderr
        before = (folder / "ports.json").read_text()
        assert _run(folder, "up").stdout == printed[0]
        assert (folder / "ports.json").read_text() == before, "the one that ran was not left alone"

        os.kill(int((folder / "keeper").read_text()), signal.SIGKILL)
        again = _run(folder, "up")
        assert again.returncode == 0, again.stderr
        assert (folder / "ports.json").read_text() != before
    finally:
        done = [_run(folder, "down").returncode for _ in range(2)]
    assert done == [0, 0]
    until(lambda: str(folder) not in _processes(), 10, "the end of everything in it")


def _processes() -> str:
    found = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    return "\n".join(each.replace(b"\0", b" ").decode(errors="replace") for each in found)
