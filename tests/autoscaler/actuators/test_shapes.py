"""What the actuators make fits what they declare, nothing else does, and the admission policies in deploy/ say the same."""

from dataclasses import replace
from typing import Any

import pytest
import yaml

from autoscaler.actuators import admission_policies as admission
from autoscaler.actuators.balloon import Balloons
from autoscaler.actuators.fetching import FetchSettings
from autoscaler.actuators.manifest import PLACEMENT, BalloonSettings, balloon_job
from autoscaler.actuators.prepull import fetch_job
from autoscaler.actuators.shapes import (
    BALLOON_JOB,
    FETCH_SHAPES,
    LONGEST_DEADLINE_SECONDS,
    PREFETCH_JOB,
    STANDBY_JOB,
    Shape,
)
from autoscaler.actuators.standby.jobs import StandbyJobs
from autoscaler.actuators.standby.manifest import HoldSettings, standby_job
from autoscaler.actuators.wishes import wish
from autoscaler.settings import Settings
from crds.workload import Weights, WeightsMethod
from tests.autoscaler.actuators.forged import forged
from tests.autoscaler.actuators.nodes import node
from tests.autoscaler.actuators.test_prefetch import PREFETCH
from tests.autoscaler.kube.workloads import TEMPLATE, WORKLOAD
from tests.support.shapes import misfits
from tests.support.standby_pools import a_gpu_pool, offering

BALLOON = balloon_job(WORKLOAD, TEMPLATE, 0, BalloonSettings(max_balloons=10))


def of(template: dict[str, Any]) -> dict[str, Any]:
    return balloon_job(WORKLOAD, template, 0, BalloonSettings(max_balloons=10))


def placed_everywhere() -> dict[str, Any]:
    """A template with every field that a balloon takes over, and more."""
    spec = {
        **TEMPLATE["spec"],
        "hostNetwork": True,
        "hostIPC": True,
        "initContainers": [{"name": "init", "image": "i"}],
    }
    return {**TEMPLATE, "spec": {**dict.fromkeys(PLACEMENT, "given"), **spec}}


def test_balloons_fit_their_shape() -> None:
    assert Balloons.capabilities.shapes == (BALLOON_JOB,)
    for template in (TEMPLATE, placed_everywhere()):
        assert list(misfits(BALLOON_JOB.tree, of(template))) == []
    longest = BalloonSettings(max_balloons=1, deadline_seconds=LONGEST_DEADLINE_SECONDS)
    assert list(misfits(BALLOON_JOB.tree, balloon_job(WORKLOAD, TEMPLATE, 9, longest))) == []
    long = replace(WORKLOAD, name="a.very-long.name." * 10)
    assert list(misfits(BALLOON_JOB.tree, balloon_job(long, TEMPLATE, 0, longest))) == []


def fetched() -> dict[str, dict[str, Any]]:
    """A Job of each form of a fetch, with all that a template may give it."""
    workload = replace(WORKLOAD, pre_pull=True, weights=Weights(WeightsMethod.PREFETCH, prefetch=PREFETCH))
    wanted = wish(workload, TEMPLATE, 1.0, FetchSettings(prefetches=True))
    contents = {each.form: each for found in wanted.contents.values() for each in found}
    return {form.value: fetch_job(workload, content, node()) for form, content in contents.items()}


@pytest.mark.parametrize("shape", FETCH_SHAPES, ids=lambda shape: shape.name)
def test_fetches_fit_their_shape_and_no_other(shape: Shape) -> None:
    jobs = fetched()
    assert {each.form for each in FETCH_SHAPES} == jobs.keys()
    for form, job in jobs.items():
        assert (not list(misfits(shape.tree, job))) == (form == shape.form)
    assert list(misfits(shape.tree, BALLOON)), "a balloon is none"
    assert list(misfits(BALLOON_JOB.tree, jobs[shape.form]))


@pytest.mark.parametrize("shape", FETCH_SHAPES, ids=lambda shape: shape.name)
def test_a_forged_fetch_does_not_fit(shape: Shape) -> None:
    allowed = {"a named node", "arguments", "environment"} if shape is PREFETCH_JOB else {"a named node"}
    allowed |= {"root"} if shape is PREFETCH_JOB else set()  # as which it runs anyway
    for what, job in forged(fetched()[shape.form]):
        assert list(misfits(shape.tree, job)) or what in allowed, what


def standby() -> dict[str, Any]:
    pool = a_gpu_pool("h100", offering(taints=[{"key": "team", "value": "a"}]))
    return standby_job(pool, pool.offerings[0], 0, HoldSettings())


def test_standby_nodes_fit_their_shape_and_no_other() -> None:
    assert StandbyJobs.capabilities.shapes == (STANDBY_JOB,)
    assert list(misfits(STANDBY_JOB.tree, standby())) == []
    assert list(misfits(STANDBY_JOB.tree, BALLOON))
    for shape in (BALLOON_JOB, *FETCH_SHAPES):
        assert list(misfits(shape.tree, standby()))
    elsewhere = standby()
    elsewhere["metadata"]["namespace"] = "ns"
    assert list(misfits(STANDBY_JOB.tree, elsewhere)), "only in Outrider's own namespace"
    image = standby()
    image["spec"]["template"]["spec"]["containers"][0]["image"] = "miner"
    assert list(misfits(STANDBY_JOB.tree, image))


@pytest.mark.parametrize(
    ("what", "job"), list(forged(standby())), ids=lambda each: each if isinstance(each, str) else ""
)
def test_a_forged_standby_node_does_not_fit(what: str, job: dict[str, Any]) -> None:
    assert list(misfits(STANDBY_JOB.tree, job)), what


def test_the_component_capacity_buffers_is_generated() -> None:
    assert admission.BUFFERS_FILE.read_text(encoding="utf-8") == admission.buffers_text(), "run make generate"


@pytest.mark.parametrize(
    "path", ["/", "/mnt", "/mnt/..", "/mnt/../etc", "/etc/kubernetes", "/var/lib/kubelet", "/mnt/a/../../b"]
)
def test_a_prefetch_mounts_no_other_folder(path: str) -> None:
    job = fetched()[PREFETCH_JOB.form]
    job["spec"]["template"]["spec"]["volumes"][0]["hostPath"]["path"] = path
    assert list(misfits(PREFETCH_JOB.tree, job))


def test_every_job_of_the_account_meets_one_policy() -> None:
    """By its label: without it a balloon, with a form that is known that form, with any other nothing."""
    found = {
        each["metadata"]["name"]: each["spec"]
        for each in yaml.safe_load_all(admission.text())
        if "validations" in each["spec"]
    }
    [refused] = found["outrider-prefetch"]["validations"]
    assert refused["expression"] == "false", "until the component prefetch takes its place"
    [known] = found["outrider-fetch"]["validations"]
    assert all(f'"{shape.form}"' in known["expression"] for shape in FETCH_SHAPES)
    by_form = [each for name, each in found.items() if not name.endswith("-delete")]
    assert all(len(each["matchConditions"]) == 2 for each in by_form)


def test_the_component_prefetch_is_generated_from_it() -> None:
    assert admission.PREFETCH_FILE.read_text(encoding="utf-8") == admission.prefetch_text(), "run make generate"


@pytest.mark.parametrize(("what", "job"), list(forged(BALLOON)), ids=lambda each: each if isinstance(each, str) else "")
def test_a_forged_one_does_not(what: str, job: dict[str, Any]) -> None:
    assert list(misfits(BALLOON_JOB.tree, job)), what


def test_the_policies_are_generated_from_it() -> None:
    assert admission.FILE.read_text(encoding="utf-8") == admission.text(), "run make generate"


def test_they_concern_the_deployed_account_alone() -> None:
    manifests = list(yaml.safe_load_all(admission.text()))
    [account] = yaml.safe_load_all((admission.FILE.parents[2] / "serviceaccount.yaml").read_text(encoding="utf-8"))
    who = f"system:serviceaccount:{account['metadata']['namespace']}:{account['metadata']['name']}"
    policies, bindings = manifests[::2], manifests[1::2]
    assert [each["metadata"]["name"] for each in policies] == [each["spec"]["policyName"] for each in bindings]
    for policy in policies:
        condition, *_ = policy["spec"]["matchConditions"]
        assert condition["expression"] == f"request.userInfo.username == '{who}'"
        assert policy["spec"]["failurePolicy"] == "Fail"
    assert all(binding["spec"]["validationActions"] == ["Deny"] for binding in bindings)


def test_the_default_settings_make_what_it_admits() -> None:
    deadline_seconds = Settings.model_fields["balloon_deadline_seconds"].default
    priority_class = Settings.model_fields["priority_class"].default
    made = balloon_job(
        WORKLOAD, TEMPLATE, 0, BalloonSettings(10, deadline_seconds=deadline_seconds, priority_class=priority_class)
    )
    assert list(misfits(BALLOON_JOB.tree, made)) == []
    assert Settings.model_fields["pause_image"].default == FetchSettings().pause_image
