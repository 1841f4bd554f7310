"""The script that copies weights to a node's disk, run by a real shell; and where it may be used."""

import os
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoscaler.actuators.prefetch import COMMAND, ENVIRONMENT, EXPIRES_HOURS, KEPT_HOURS, prefetch_content, reads
from autoscaler.actuators.wishes import ENFORCED, cache_obstacle, image_obstacle, prefetch_obstacle
from crds.workload import Prefetch, Weights, WeightsMethod, Workload
from tests.autoscaler.kube.workloads import TEMPLATE, WORKLOAD

PREFETCH = Prefetch(
    "aws", ("aws", "s3", "sync", "s3://m", "$(WEIGHTS_TARGET)"), "hf", "reader", "/mnt/models/chat", 10**6
)
MOUNTED: dict[str, Any] = {
    "spec": {**TEMPLATE["spec"], "volumes": [{"name": "m", "hostPath": {"path": "/mnt/models"}}]}
}
COPY = 'printf %s weights > "$WEIGHTS_TARGET/model"'


def copying(prefetch: Prefetch = PREFETCH) -> Workload:
    return replace(WORKLOAD, weights=Weights(WeightsMethod.PREFETCH, prefetch=prefetch))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


def environment(cache: Path, model: str = "chat", kib: int = 1000) -> dict[str, str]:
    values = (str(cache), model, str(cache / f".{model}.0.part"), str(kib), "/tmp")
    return {**os.environ, **dict(zip(ENVIRONMENT, values, strict=True))}


def run(
    cache: Path, program: str = COPY, model: str = "chat", kib: int = 1000, **more: str
) -> "subprocess.CompletedProcess[str]":
    given = {**environment(cache, model, kib), **more}
    return subprocess.run([*COMMAND, "sh", "-c", program], env=given, capture_output=True, text=True, check=False)


def model(cache: Path, name: str, age_hours: float, kib: int = 1) -> Path:
    """A model that an earlier Job brought."""
    folder = cache / name
    folder.mkdir()
    (folder / "model").write_bytes(os.urandom(kib * 1024))
    mark = folder / ".outrider-ready"
    mark.touch()
    then = time.time() - age_hours * 3600
    os.utime(mark, (then, then))
    return folder


def test_the_folder_appears_whole(cache: Path) -> None:
    assert run(cache).returncode == 0
    assert (cache / "chat" / "model").read_text() == "weights"
    assert [each.name for each in cache.iterdir()] == ["chat"]


def test_what_is_there_is_marked_as_wanted_and_not_copied_again(cache: Path) -> None:
    mark = model(cache, "chat", EXPIRES_HOURS + 1) / ".outrider-ready"
    assert run(cache, "exit 9").returncode == 0
    assert time.time() - mark.stat().st_mtime < 60


def test_a_copy_that_fails_leaves_nothing(cache: Path) -> None:
    assert run(cache, f"{COPY}; exit 7").returncode == 7
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("kept", [True, False])
def test_a_job_that_is_deleted_while_it_copies_leaves_what_was_there_before(cache: Path, kept: bool) -> None:
    before = [model(cache, "other", 1.0).name] if kept else []
    copy = [*COMMAND, "sh", "-c", f"{COPY}; echo; exec sleep 60"]
    with subprocess.Popen(copy, env=environment(cache), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as job:
        assert job.stdout is not None
        job.stdout.readline()
        assert (cache / ".chat.0.part" / "model").exists()
        job.terminate()
        assert job.wait(10) == 143
    assert [each.name for each in cache.iterdir()] == before


def test_a_copy_that_was_killed_is_begun_anew(cache: Path) -> None:
    (cache / ".chat.0.part").mkdir()
    (cache / ".chat.0.part" / "half").touch()
    other = cache / ".other.0.part"
    other.mkdir()
    os.utime(other, (0, 0))
    assert run(cache).returncode == 0
    assert [each.name for each in (cache / "chat").iterdir() if each.name == "half"] == []
    assert not other.exists(), "a day old"


def test_what_nobody_asked_for_in_a_week_goes(cache: Path) -> None:
    old, newer = model(cache, "old", EXPIRES_HOURS + 1), model(cache, "newer", EXPIRES_HOURS - 1)
    assert run(cache).returncode == 0
    assert (old.exists(), newer.exists()) == (False, True)


def test_what_was_needed_longest_ago_makes_room(cache: Path) -> None:
    oldest, older = model(cache, "oldest", KEPT_HOURS + 9, 300), model(cache, "older", KEPT_HOURS + 1, 300)
    wanted = model(cache, "wanted", KEPT_HOURS - 1, 300)
    assert run(cache, kib=800).returncode == 0
    assert (oldest.exists(), older.exists(), wanted.exists()) == (False, True, True)


def test_what_is_needed_is_never_removed_for_others(cache: Path) -> None:
    wanted = model(cache, "wanted", 1.0, 300)
    result = run(cache, kib=200)
    assert (result.returncode, result.stderr) == (3, "the cache is full: raise maxBytes or take models away\n")
    assert [each.name for each in cache.iterdir()] == [wanted.name]


def test_a_copy_that_outgrows_the_cache_is_stopped_before_it_fills_the_disk(cache: Path) -> None:
    grow = 'head -c 300000 /dev/zero > "$WEIGHTS_TARGET/model"; exec sleep 60'
    result = run(cache, grow, kib=200, WEIGHTS_CHECK_SECONDS="0.1")
    assert result.returncode == 3
    assert "the cache is full" in result.stderr
    assert list(cache.iterdir()) == []


def test_of_two_jobs_that_copy_the_same_model_the_first_wins(cache: Path) -> None:
    """Else the second would move its copy into the folder of the first, where nothing ever removes it."""
    first = "mkdir chat; echo first > chat/model; touch chat/.outrider-ready"
    assert run(cache, f"{COPY}; {first}").returncode == 0
    assert {each.name for each in (cache / "chat").iterdir()} == {"model", ".outrider-ready"}
    assert (cache / "chat" / "model").read_text() == "first\n"
    assert [each.name for each in cache.iterdir()] == ["chat"]


def test_a_pod_that_was_first_to_mount_the_folder_keeps_the_weights_from_no_node(cache: Path) -> None:
    """The container runtime makes a hostPath folder that is not there, and leaves it empty."""
    (cache / "chat").mkdir()
    assert run(cache).returncode == 0
    assert (cache / "chat" / "model").read_text() == "weights"


def test_the_image_needs_no_find(cache: Path, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "date", "stat", "touch", "du", "cut", "rm", "rmdir", "mkdir", "mv", "sleep"):
        (programs / name).symlink_to(str(shutil.which(name)))
    old = model(cache, "old", EXPIRES_HOURS + 1)
    assert run(cache, PATH=str(programs)).returncode == 0
    assert (old.exists(), (cache / "chat").exists()) == (False, True)


def test_what_others_made_is_left_alone(cache: Path) -> None:
    (cache / "chat").mkdir()
    (cache / "chat" / "model").touch()
    (cache / "theirs").mkdir()
    os.utime(cache / "theirs", (0, 0))
    result = run(cache, kib=1)
    assert (result.returncode, result.stderr) == (4, "chat is there and was not made by Outrider\n")
    assert {each.name for each in cache.iterdir()} == {"chat", "theirs"}


def test_names_with_odd_characters_are_names(cache: Path) -> None:
    model(cache, "an old one; $(touch gone)", EXPIRES_HOURS + 1)
    assert run(cache).returncode == 0
    assert [each.name for each in cache.iterdir()] == ["chat"]


def test_the_pod_has_the_cache_and_nothing_else_of_the_node() -> None:
    spec = prefetch_content(copying(), PREFETCH, 3600).pod_spec
    paths = [volume["hostPath"]["path"] for volume in spec["volumes"] if "hostPath" in volume]
    assert paths == ["/mnt/models"]
    assert spec["containers"][0]["envFrom"] == [{"secretRef": {"name": "hf"}}]
    assert spec["serviceAccountName"] == "reader"
    assert spec["automountServiceAccountToken"] is False


@pytest.mark.parametrize(
    ("mounted", "found"),
    [
        ("/mnt/models", True),
        ("/mnt/models/", True),
        ("/mnt/models/chat", True),
        ("/mnt/mod", False),
        ("/mnt/models/ch", False),
    ],
)
def test_the_template_must_mount_the_weights(mounted: str, found: bool) -> None:
    assert reads({"volumes": [{"hostPath": {"path": mounted}}]}, "/mnt/models/chat") is found


@pytest.mark.parametrize(
    ("labels", "allowed", "template", "why"),
    [
        ({}, True, MOUNTED, ""),
        ({ENFORCED: "privileged"}, True, MOUNTED, ""),
        ({ENFORCED: "baseline"}, True, MOUNTED, "Pod Security of the namespace enforces baseline"),
        ({ENFORCED: "restricted"}, True, MOUNTED, "enforces restricted"),
        ({}, False, MOUNTED, "an administrator sets --prefetch"),
        ({}, True, TEMPLATE, "mount no folder of their node that has /mnt/models/chat"),
    ],
)
def test_what_stands_in_the_way_is_said(
    labels: dict[str, str], allowed: bool, template: dict[str, Any], why: str
) -> None:
    found = prefetch_obstacle(copying(), template, {"metadata": {"labels": labels}}, allowed=allowed)
    assert why in found
    assert bool(found) == bool(why)


def test_an_image_with_weights_must_be_used_by_the_template() -> None:
    workload = replace(WORKLOAD, weights=Weights(WeightsMethod.IMAGE, "m@sha256:1"))
    assert "use no image m@sha256:1" in image_obstacle(workload, TEMPLATE)
    for more in (
        {"volumes": [{"name": "m", "image": {"reference": "m@sha256:1"}}]},
        {"initContainers": [{"image": "m@sha256:1", "restartPolicy": "Always"}]},
    ):
        assert not image_obstacle(workload, {"spec": {**TEMPLATE["spec"], **more}})
    assert not image_obstacle(WORKLOAD, TEMPLATE)


def test_a_cache_of_kserve_works_once_each_node_has_the_weights() -> None:
    assert "no node yet" in cache_obstacle("chat", [], {"a"})
    assert "0 of the 1 nodes" in cache_obstacle("chat", ["a"], set())
    assert not cache_obstacle("chat", ["a"], {"a", "b"})
