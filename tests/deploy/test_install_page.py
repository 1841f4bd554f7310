"""The values that docs/install.md writes agree with the manifests; tests/e2e/test_install.py follows the whole page."""

import re
from typing import Any

import yaml

from autoscaler.settings import PREFIX, Settings
from tests.deploy.test_manifests import DEPLOY, documents
from tests.support.pages import blocks

PAGE = DEPLOY.parent / "docs" / "install.md"
VALUES, NETWORK, PAUSE, RULE, CERTIFICATE = (yaml.safe_load(block) for _, block in blocks(PAGE, "yaml"))


def target(patch: dict[str, Any]) -> list[str]:
    """The objects that a patch changes."""
    kind, name = patch["target"]["kind"], patch["target"]["name"]
    found = [document for path in DEPLOY.rglob("*.yaml") for document in documents(path) if "metadata" in document]
    return [one["kind"] for one in found if one["kind"] == kind and re.fullmatch(name, one["metadata"]["name"])]


def test_the_values_extend_what_is_there() -> None:
    [base] = documents(DEPLOY / "kustomization.yaml")
    for path in VALUES["resources"] + VALUES["components"]:
        assert (DEPLOY.parent / path.removeprefix("../") / "kustomization.yaml").exists()
    for generated, image in zip(VALUES["configMapGenerator"], VALUES["images"], strict=True):
        assert (generated["name"], generated["behavior"]) == (base["configMapGenerator"][0]["name"], "merge")
        assert image["name"] == base["images"][0]["name"]


def test_every_setting_and_target_exists() -> None:
    [generated] = VALUES["configMapGenerator"]
    names = [literal.partition("=")[0] for literal in generated["literals"]]
    assert [name for name in names if name.removeprefix(PREFIX).lower() not in Settings.model_fields] == []
    assert [target(patch) for patch in [*VALUES["patches"], *NETWORK, *PAUSE, *RULE]] == [
        ["Deployment"],
        ["NetworkPolicy"],
        ["ValidatingAdmissionPolicy"] * 2,
        ["ClusterRole"],
    ]


def test_the_pause_image_is_patched_where_the_policy_has_it() -> None:
    [patch] = PAUSE
    [change] = yaml.safe_load(patch["patch"])
    policies = documents(DEPLOY / "components" / "admission" / "policies.yaml")
    image = {"name": "pauseImage", "expression": f'"{Settings().pause_image}"'}
    having = [each for each in policies if image in each["spec"].get("variables", [])]
    assert [each["metadata"]["name"] for each in having] == ["outrider-prepull-volume", "outrider-standby"]
    for policy in having:
        variables = policy["spec"]["variables"]
        assert re.fullmatch(patch["target"]["name"], policy["metadata"]["name"])
        assert change["path"] == f"/spec/variables/{len(variables) - 1}/expression"
        assert variables[-1] == image


def test_the_table_has_every_component() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(path.name for path in (DEPLOY / "components").iterdir())
    used = [path.rpartition("/")[2] for path in VALUES["components"]]
    assert used == rows[: len(used)]  # the others are choices


def test_the_uninstall_takes_keda_away_first_and_the_namespace_last() -> None:
    text = PAGE.read_text(encoding="utf-8")
    order = [text.index(part) for part in ("delete scaledobject", "delete scpol", "delete -k my-cluster")]
    assert order == sorted(order)
