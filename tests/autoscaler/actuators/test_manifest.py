from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from autoscaler.actuators.manifest import BalloonSettings, NoBalloonError, balloon_job, job_name, shape
from autoscaler.kube.ours import policy_label
from crds.notation.selectors import parse
from tests.autoscaler.kube.workloads import TEMPLATE, WORKLOAD, workload

SETTINGS = BalloonSettings(max_balloons=10)
GOLDEN = Path(__file__).parent / "balloon.yaml"
PAGE = Path(__file__).parents[3] / "docs" / "reference" / "balloons.md"


def test_the_job_is_the_golden_one() -> None:
    """After a change on purpose: write `yaml.safe_dump(made, sort_keys=False)` to the golden file and to the page."""
    made = balloon_job(WORKLOAD, TEMPLATE, 0, SETTINGS)
    assert made == yaml.safe_load(GOLDEN.read_text())


def test_the_reference_page_shows_the_golden_job() -> None:
    assert f"```yaml\n{GOLDEN.read_text()}```\n" in PAGE.read_text()


def test_kubernetes_own_model_knows_every_field() -> None:
    from kubernetes.client import ApiClient, V1Job

    made = balloon_job(WORKLOAD, TEMPLATE, 0, SETTINGS)
    read = V1Job.from_dict(made)
    assert read is not None
    assert ApiClient().sanitize_for_serialization(read) == made  # type: ignore[no-untyped-call]


def test_names_are_fixed_short_and_valid() -> None:
    assert job_name(workload(), 0) == job_name(workload(), 0)
    assert job_name(workload(), 0) != job_name(workload(), 1)
    assert job_name(workload(), 0) != job_name(replace(WORKLOAD, uid="another"), 0)
    long = replace(WORKLOAD, name="a.very-long.name." * 10)
    assert len(job_name(long, 12)) <= 63
    assert "." not in job_name(long, 12)
    assert job_name(replace(WORKLOAD, name="x" * 40 + "-" * 30), 0).startswith("x" * 40 + "-balloon-0-")


def test_a_long_policy_name_still_makes_a_label() -> None:
    label = policy_label("p" * 200)
    assert len(label) <= 63
    assert label != policy_label("p" * 201)
    assert policy_label("chat") == "chat"


def test_a_balloon_has_no_label_of_the_workload() -> None:
    labels = balloon_job(WORKLOAD, TEMPLATE, 0, SETTINGS)["spec"]["template"]["metadata"]["labels"]
    assert not set(labels) & set(TEMPLATE["metadata"]["labels"])
    assert not parse("app=chat").matches(labels)


def test_the_shape_follows_what_the_pod_is_made_from_and_nothing_else() -> None:
    same = shape(WORKLOAD, {**TEMPLATE, "metadata": {}}, SETTINGS)
    assert same == shape(WORKLOAD, TEMPLATE, SETTINGS)
    assert same != shape(replace(WORKLOAD, uid="another"), TEMPLATE, SETTINGS)
    assert same != shape(WORKLOAD, TEMPLATE, replace(SETTINGS, deadline_seconds=60))
    elsewhere = {"spec": {**TEMPLATE["spec"], "nodeSelector": {"pool": "b"}}}
    assert same != shape(WORKLOAD, elsewhere, SETTINGS)


@pytest.mark.parametrize(
    ("container", "said"),
    [
        ({}, "first container has no image"),
        ({"image": "i"}, "ask for no GPU"),
        ({"image": "i", "resources": {"limits": {"nvidia.com/gpu": "0"}}}, "ask for no GPU"),
        ({"image": "i", "resources": {"limits": {"nvidia.com/gpu": "one"}}}, "resources cannot be read"),
        ({"image": "i", "resources": {"limits": "large"}}, "resources cannot be read: not amounts"),
        ({"image": "i", "resources": "large"}, "resources cannot be read: not amounts"),
    ],
    ids=["no image", "no GPU", "zero GPUs", "no quantity", "limits by name", "resources by name"],
)
def test_a_template_that_gives_no_balloon_says_why(container: dict[str, object], said: str) -> None:
    with pytest.raises(NoBalloonError, match=said):
        balloon_job(WORKLOAD, {"spec": {"containers": [container]}}, 0, SETTINGS)
