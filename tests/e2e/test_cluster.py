"""The harness's cluster itself: a view changes nothing, and a cluster that does not start shows why."""

import sys
from pathlib import Path

import pytest

from tests.e2e import conftest
from tests.e2e.harness import Cluster, cluster, keda
from tests.e2e.harness.process import Process


def _written(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_view_writes_nothing(tmp_path: Path) -> None:
    Cluster(tmp_path)
    before = _written(tmp_path)
    Cluster(tmp_path)
    assert _written(tmp_path) == before


@pytest.mark.parametrize("named", ["typo", "ended"])
def test_no_view_of_what_does_not_run(tmp_path: Path, named: str) -> None:
    Cluster(tmp_path / "ended")
    with pytest.raises(pytest.fail.Exception, match=f"no cluster runs in {tmp_path / named}"):
        conftest.view(tmp_path / named)
    assert not (tmp_path / "typo").exists()


def test_a_component_that_does_not_get_ready_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = Process("kube-apiserver", [sys.executable, "-c", "import signal; signal.pause()"], tmp_path)
    monkeypatch.setattr(cluster, "READY_SECONDS", 0.2)
    one = Cluster(tmp_path)
    one.components = {"etcd": Process("etcd", ["sleep", "60"], tmp_path), "kube-apiserver": silent}
    with pytest.raises(TimeoutError) as caught, one:
        pass
    notes = "\n".join(caught.value.__notes__)
    assert f"the end of {silent.log}" in notes
    assert f"all logs are in {tmp_path}" in notes
    assert not silent.running


def test_the_adapter_is_registered_as_a_service() -> None:
    kinds = [(each["apiVersion"], each["kind"]) for each in keda.registration(6443)]
    assert kinds == [("v1", "Namespace"), ("v1", "Service"), ("apiregistration.k8s.io/v1", "APIService")]
