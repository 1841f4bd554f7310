from typing import Any

from autoscaler.actuators.fetched import Fetched, Progress
from autoscaler.actuators.prepull import Form
from autoscaler.control.fetch_measures import FetchMeasures
from autoscaler.kube.client import Kube
from autoscaler.telemetry import metrics
from crds.notation.timestamps import timestamp
from tests.autoscaler.control.controller import a_controller, spec
from tests.support.fake_api import FakeApi

IMAGE, FOLDER = "vllm:v1", "/models/chat"
BYTES = {IMAGE: 30e9, FOLDER: 100e9}


def value(name: str, **labels: str) -> float | None:
    return metrics.REGISTRY.get_sample_value(name, {"policy": "ns/a", **labels})


def fetched(name: str, progress: Progress, form: Form = Form.SLEEP, created: float = 2000.0) -> Fetched:
    about: dict[str, Any] = {"name": name, "uid": name, "creationTimestamp": timestamp(created)}
    what = FOLDER if form is Form.WEIGHTS else IMAGE
    return Fetched({"metadata": about}, f"node-of-{name}", what, form, progress)


async def test_each_job_counts_once_and_again_only_where_it_ends_otherwise(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        await controller.target("a", 1)
        await controller.policy("a", spec("a"))
        await controller.decided("a")
        runtime, measures = controller.runtime("a"), FetchMeasures()
        old = fetched("old", Progress.HELD, created=900.0)
        steps = (
            [old, fetched("new", Progress.UNDER_WAY), fetched("copy", Progress.UNDER_WAY, Form.WEIGHTS)],
            [old, fetched("new", Progress.STUCK), fetched("copy", Progress.DONE, Form.WEIGHTS)],
            [old, fetched("new", Progress.STUCK), fetched("copy", Progress.DONE, Form.WEIGHTS)],
            [old, fetched("new", Progress.HELD), fetched("lost", Progress.FAILED)],
        )
        reserved = []
        for number, seen in enumerate(steps):
            measures.measure(runtime, seen, BYTES, 1000.0 + 15.0 * number)
            reserved.append([value("outrider_fetch_reserved_bytes", kind=kind) for kind in ("image", "weights")])
        assert reserved == [[60e9, 100e9], [30e9, 100e9], [30e9, 100e9], [60e9, 0.0]]
        counted = {
            (kind, outcome): value("outrider_fetches_total", kind=kind, outcome=outcome)
            for kind in ("image", "weights")
            for outcome in ("done", "failed")
        }
        assert counted == {
            ("image", "done"): 1.0,  # the old one ended before
            ("image", "failed"): 2.0,
            ("weights", "done"): 1.0,
            ("weights", "failed"): 0.0,
        }
        assert value("outrider_fetched_nodes", kind="image") == 2.0
        assert value("outrider_fetched_nodes", kind="weights") == 0.0
        measures.forget(runtime)
        assert value("outrider_fetched_nodes", kind="image") is None


async def test_a_policy_that_fetches_is_measured_from_its_first_turn(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        await controller.target("a", 1)
        await controller.policy("a", spec("a", image={"prePull": True}))
        await controller.until(lambda: value("outrider_fetches_total", kind="image", outcome="failed") == 0.0)
        await controller.policy("a", spec("a"))
        await controller.until(lambda: value("outrider_fetches_total", kind="image", outcome="failed") is None)
