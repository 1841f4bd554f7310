"""What the actuators make fits what they declare, nothing else does, and the admission policies in deploy/ say the same."""

from dataclasses import replace
from typing import Any

import pytest
import yaml

from autoscaler.actuators import admission_policies as admission
from autoscaler.actuators.balloon import Balloons
from autoscaler.actuators.manifest import PLACEMENT, BalloonSettings, balloon_job
from autoscaler.actuators.shapes import BALLOON_JOB, LONGEST_DEADLINE_SECONDS
from autoscaler.settings import Settings
from tests.autoscaler.actuators.forged import forged
from tests.autoscaler.kube.workloads import TEMPLATE, WORKLOAD
from tests.support.shapes import misfits

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
        [condition] = policy["spec"]["matchConditions"]
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
