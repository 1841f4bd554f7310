"""Every command in the README works where it stands, typed in order into a fresh copy; its figures are those that come out."""

import re
from pathlib import Path

import pytest
import yaml

from tests.support import programs
from tests.support.pages import README, ROOT, blocks, commands

PAGE = README.read_text(encoding="utf-8")


@pytest.mark.slow
def test_every_command_works_in_the_order_of_the_page(tmp_path: Path) -> None:
    """`tests/support/programs.py` has the stand-ins for kubectl, docker, curl and make, and what each of them checks."""
    from tests.support.reader import Reader, write_logs

    write_logs(tmp_path / "pods" / "decisions")
    reader = Reader(tmp_path)
    done = {command.text: (command, reader.types(command)) for command in commands(README)}
    failed = [f"{command}\n{it.stdout[-800:]}{it.stderr[-800:]}" for command, it in done.values() if it.returncode]
    assert not failed, "\n".join(failed)
    wins, loses, *_ = (it.stdout for text, (_, it) in done.items() if " replay " in text)
    table = re.findall(
        r"[\d.]+(?: [%s])?(?=\** \|)", PAGE[PAGE.index("| Outrider") : PAGE.index("The rush of this sample")]
    )
    assert len(table) == 5 * 5
    assert [figure for figure in table if figure.replace(" %", "%") not in wins] == []
    [(ours, theirs)] = re.findall(r"needs ([\d.]+) GPU-hours and the reactive ScaledObject ([\d.]+)", PAGE)
    assert re.search(rf"^Outrider +{ours} .*^reactive ScaledObject +{theirs} ", loses, re.MULTILINE | re.DOTALL), loses


@pytest.mark.parametrize(
    ("program", "line", "why"),
    [
        ("docker", "push outrider:0.1.0", "no image of a registry"),
        ("kubectl", "-n nowhere get scpol", "no ScalingPolicy"),
        (
            "curl",
            "-sSG http://p/api/v1/query_range --data-urlencode query=sum(x) -d start=0 -d end=9 -d step=1",
            "counters",
        ),
        ("curl", "-sSG http://p/api/v1/query --data-urlencode query=x", "not a GET of query_range"),
    ],
)
def test_a_wrong_command_is_refused(program: str, line: str, why: str) -> None:
    with pytest.raises(SystemExit, match=why):
        programs.PROGRAMS[program](line.split())


def test_the_page_is_short() -> None:
    assert len(PAGE.splitlines()) < 200


def test_the_policy_is_the_shipped_example() -> None:
    [(_, shown)] = blocks(README, "yaml")
    assert shown == (ROOT / "deploy/examples/scalingpolicy.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(shown)["spec"]["mode"] == "Shadow"
    assert len(shown.partition("spec:")[2].strip().splitlines()) < 10
