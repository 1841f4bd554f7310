from pathlib import Path

from tests.e2e.standin.status import Json
from tests.standin.cluster import IMAGE, Rig, a_standin, pod_path, spec, steady
from tests.support.fake_clock import FakeClock
from tests.support.fake_kube import FakeKube


def times(report: Json, name: str) -> list[float]:
    """Seconds from the creation to each stage."""
    of = report["pods"][name]
    return [of[stage] - of["created"] for stage in ("scheduled", "image_ready", "started", "ready")]


async def test_a_replica_is_ready_after_the_sum_of_its_stages(rig: Rig) -> None:
    await rig.put()
    await rig.bind("a")
    assert rig.pod("a")["status"]["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert rig.reasons("a") == ["Pulling"]
    await rig.later(3.99)
    assert rig.stage("a") == "Pending"
    await rig.later(0.02)
    assert rig.stage("a") == "Running"
    assert rig.reasons("a") == ["Pulling", "Pulled", "Created", "Started"]
    assert rig.messages("a")[1].startswith(f'Successfully pulled image "{IMAGE}" in 4s (4s including')
    assert "running" in rig.pod("a")["status"]["containerStatuses"][0]["state"]
    await rig.later(4.98)
    assert rig.stage("a") == "Running"
    await rig.later(0.02)
    assert rig.stage("a") == "Ready"
    assert times(await rig.report(), "a") == [0.0, 4.0, 4.0, 9.0]


async def test_nothing_begins_before_the_node_is_ready(rig: Rig) -> None:
    await rig.put()
    await rig.node("n2", ready="False")
    await rig.bind("a", "n2")
    await rig.later(10)
    assert rig.reasons("a") == []
    await rig.node("n2")
    await rig.later(9)
    assert rig.stage("a") == "Ready"


async def test_the_second_pod_of_a_node_finds_image_and_weights(rig: Rig) -> None:
    await rig.put()
    await rig.bind("a")
    await rig.later(9)
    await rig.bind("b")
    assert rig.stage("b") == "Running"
    assert rig.reasons("b") == ["Pulled", "Created", "Started"]
    assert rig.messages("b")[0] == f'Container image "{IMAGE}" already present on machine'
    await rig.later(3)
    assert times(await rig.report(), "b") == [0.0, 0.0, 0.0, 3.0]
    assert (await rig.report())["nodes"]["n1"] | {"created": 0, "ready": 0, "gpu_ready": 0} == {
        "images": [IMAGE],
        "disk": ["graphs of ns/llm for vllm/vllm-openai:v0.32.0", IMAGE, "weights of ns/llm"],
        "weights": True,
        "gpus": 4,
        "created": 0,
        "ready": 0,
        "gpu_ready": 0,
        "gone": None,
    }


async def test_pulls_of_one_image_on_one_node_are_one(rig: Rig) -> None:
    await rig.put()
    await rig.node("n2")
    await rig.bind("a")
    await rig.later(3)
    await rig.bind("b")
    await rig.bind("c", "n2")
    await rig.later(1)
    assert [rig.stage(name) for name in "abc"] == ["Running", "Running", "Pending"]
    assert " in 0s (1s including waiting)" in rig.messages("b")[1]
    await rig.later(3)
    assert rig.stage("c") == "Running"


async def test_a_pull_goes_on_when_its_pod_has_gone(rig: Rig) -> None:
    await rig.put()
    await rig.bind("a")
    await rig.later(2)
    rig.kube.ask_deletion(pod_path("a"))
    await rig.later(0.1)
    assert rig.stage("a") == "Gone"
    await rig.bind("b")
    await rig.later(2)
    assert rig.stage("b") == "Running"


async def test_a_balloon_brings_the_image_and_goes_at_once(rig: Rig) -> None:
    await rig.put()
    await rig.bind("balloon", app="other", command=("sleep", "1800"))
    await rig.later(4)
    assert rig.stage("balloon") == "Ready"
    assert "podIP" not in rig.pod("balloon")["status"]
    rig.kube.ask_deletion(pod_path("balloon"), 1)
    await rig.later(0.05)
    assert rig.stage("balloon") == "Gone"
    last = [status for path, status in rig.kube.patches if path == pod_path("balloon")][-1]
    assert last["phase"] == "Failed"
    await rig.bind("a")
    await rig.later(5)
    assert times(await rig.report(), "a") == [0.0, 0.0, 0.0, 5.0]


async def test_a_sleep_that_is_over_succeeds(rig: Rig) -> None:
    await rig.put()
    await rig.bind("balloon", app="other", command=("sleep", "60"))
    await rig.later(63.9)
    assert rig.stage("balloon") == "Ready"
    await rig.later(0.2)
    assert rig.stage("balloon") == "Succeeded"


async def test_a_pod_of_no_workload_is_ready_after_half_a_second(rig: Rig) -> None:
    await rig.bind("other", app="other")
    await rig.later(0.5)
    assert rig.stage("other") == "Ready"


async def test_a_pod_without_a_gpu_runs_and_is_no_replica(rig: Rig) -> None:
    await rig.put()
    await rig.bind("web", app="web", image="web", gpus=0)
    await rig.later(10)
    assert rig.stage("web") == "Ready"
    assert (await rig.report())["pods"] == {}


async def test_a_deleted_replica_finishes_what_it_has(rig: Rig) -> None:
    await rig.put(spec(traffic=steady()))
    await rig.bind("a")
    await rig.later(40)
    rig.kube.ask_deletion(pod_path("a"))
    await rig.later(0.1)
    assert rig.stage("a") == "Ready"  # it drains
    await rig.later(29)
    assert rig.stage("a") == "Gone"
    report = await rig.report()
    assert report["score"]["failed"] == 0
    assert report["pods"]["a"]["deleted"] + 1 < report["pods"]["a"]["gone"] < report["pods"]["a"]["deleted"] + 30


async def test_a_deleted_replica_is_cut_off_after_its_grace(rig: Rig) -> None:
    await rig.put(spec(traffic=steady(requests_per_second=20)))
    await rig.bind("a")
    await rig.later(40)
    rig.kube.ask_deletion(pod_path("a"), 2)
    await rig.later(1.9)
    assert rig.stage("a") == "Ready"
    await rig.later(0.2)
    assert rig.stage("a") == "Gone"
    report = await rig.report()
    assert report["score"]["failed"] > 100
    assert report["score"]["p99_wait_seconds"] is None


async def test_a_replica_that_is_taken_away_is_cut_off_at_once(rig: Rig) -> None:
    await rig.put(spec(traffic=steady(requests_per_second=20)))
    await rig.bind("a")
    await rig.later(40)
    rig.kube.objects.remove(pod_path("a"))
    await rig.later(0.1)
    report = await rig.report()
    assert report["score"]["failed"] > 100
    assert report["pods"]["a"]["gone"] == rig.clock.now() - 0.1


async def test_a_node_takes_its_pods_and_caches_with_it(rig: Rig) -> None:
    await rig.put(spec(traffic=steady(requests_per_second=20)))
    await rig.bind("a")
    await rig.bind("b")
    await rig.later(40)
    rig.kube.objects.remove("/api/v1/nodes/n1")
    await rig.later(0.1)
    assert [rig.stage(name) for name in "ab"] == ["Gone", "Gone"]
    report = await rig.report()
    assert report["score"]["failed"] > 100
    assert report["nodes"]["n1"]["images"] == []
    assert report["nodes"]["n1"]["gone"] == rig.clock.now() - 0.1
    await rig.node()
    await rig.bind("c")
    await rig.later(8.9)
    assert rig.stage("c") == "Running"


async def test_a_restart_resumes_what_runs(tmp_path: Path) -> None:
    clock = FakeClock()
    kube = FakeKube(clock)
    async with a_standin(clock, kube, tmp_path / "saved") as rig:
        await rig.node()
        began = await rig.put(spec(traffic=steady()))
        await rig.bind("first")
        await rig.later(5)
        await rig.bind("a")
        await rig.later(4)
        rig.kube.objects.remove(pod_path("first"))  # so that the other's address is not the first of all
        await rig.later(4)
        await rig.bind("b")
        await rig.bind("balloon", app="other", command=("sleep", "60"))
        await rig.later(1)
        before = rig.pod("a")["status"]
    await clock.advance(10)
    async with a_standin(clock, kube, tmp_path / "saved") as rig:
        assert [rig.stage(name) for name in ("a", "b", "balloon")] == ["Ready", "Running", "Ready"]
        assert rig.pod("a")["status"] == before
        status, page = await rig.page("a")
        assert status == 200
        assert 'vllm:request_success_total{engine="0",finished_reason="stop",model_name="llm"} 0.0' in page
        await rig.later(3)
        assert rig.stage("b") == "Ready"
        report = await rig.report()
        assert report["started_seconds"] == began["started_seconds"]
        assert report["score"]["requests"] == 7  # what came before is lost
        await rig.later(60)
        assert rig.stage("balloon") == "Succeeded"
        rig.kube.ask_deletion(pod_path("a"))
        await rig.later(20)
        assert rig.stage("a") == "Gone"


async def test_lifecycles_go_on_while_the_api_server_is_away(rig: Rig) -> None:
    await rig.put()
    await rig.bind("a")
    await rig.later(2)
    rig.kube.go_away()
    await rig.later(18)
    rig.kube.come_back()
    await rig.later(30)
    assert rig.stage("a") == "Ready"
    assert rig.reasons("a") == ["Pulling", "Pulled", "Created", "Started"]
    assert times(await rig.report(), "a")[-1] == 9.0
    await rig.bind("b")
    await rig.later(3)
    assert rig.stage("b") == "Ready"
