"""What `outrider check` warns of in a pool alone."""

from pathlib import Path
from typing import Any

import pytest

from tests.crds.pools.resources import MEMBER, OFFERING, a_pool, warnings

BLOCK = [{"start": "2026-12-01T08:00:00Z", "end": "2026-12-01T18:00:00Z"}]  # a Tuesday
SPOT = {**OFFERING, "name": "spot", "kind": "Spot", "nodeSelector": {"pool": "spot"}}
SEARCH = {"name": "search", "namespaceSelector": {"matchLabels": {"team": "search"}}}


@pytest.mark.parametrize(
    ("spec", "path", "why", "instead"),
    [
        (
            {"offerings": [OFFERING, {**SPOT, "nodeSelector": {"pool": "on-demand", "zone": "a"}}]},
            "spec.offerings[1].nodeSelector",
            "every node of one of on-demand and spot",
            "a label that the nodes of on-demand",
        ),
        (
            {"offerings": [{**OFFERING, "validity": BLOCK, "calendar": [{"start": "19:00", "end": "07:00"}]}]},
            "spec.offerings[0].calendar",
            "never open",
            "hours that meet a period",
        ),
        (
            {"offerings": [{**OFFERING, "validity": BLOCK, "calendar": [{"days": ["Sun"], "start": "08:00", "end": "18:00"}]}]},
            "spec.offerings[0].calendar",
            "never open",
            "hours that meet a period",
        ),
        ({"offerings": [{**OFFERING, "maxNodes": 0}]}, "spec.offerings[0].maxNodes", "no node is ever", "1 or more"),
        ({"members": [MEMBER, SEARCH]}, "spec.members[1].namespaceSelector", "everyone, which comes first", "before everyone"),
        ({"members": [SEARCH, {**SEARCH, "name": "b"}]}, "spec.members[1].namespaceSelector", "comes first", "before search"),
        ({"members": [{**MEMBER, "maxGpus": 0}]}, "spec.members[0].maxGpus", "may not have a GPU", "1 or more"),
        ({"members": [{**MEMBER, "maxGpus": 9}], "limits": {"gpus": 8}}, "spec.members[0].maxGpus", "limit of 8", "8 or less"),
        ({"standby": {"maxNodes": 3}, "limits": {"gpus": 16}}, "spec.standby.maxNodes", "limit of 16 GPUs", "2 or less"),
        ({"standby": {"maxNodes": 3, "minNodes": 3}, "limits": {"gpus": 16}}, "spec.standby.minNodes", "limit of", "2 or"),
    ],
)  # fmt: skip
def test_each_contradiction_is_a_warning(
    tmp_path: Path, spec: dict[str, Any], path: str, why: str, instead: str
) -> None:
    [(title, found)] = warnings(tmp_path, a_pool(**spec))
    assert (title, found.path) == ("GPUPool h100", path)
    assert why in found.why
    assert instead in found.instead


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"offerings": [OFFERING, SPOT], "members": [SEARCH, MEMBER]},
        {"offerings": [{**OFFERING, "validity": BLOCK, "calendar": [{"start": "17:59", "end": "20:00"}]}]},
        {"offerings": [{**OFFERING, "validity": BLOCK, "calendar": [{"days": ["Mon"], "start": "20:00", "end": "09:00"}]}]},
        {"offerings": [{**OFFERING, "validity": [{"end": "2026-12-01T18:00:00Z"}], "calendar": [{"start": "01:00", "end": "02:00"}]}]},
        {"offerings": [{**OFFERING, "calendar": [{"days": ["Sun"], "start": "08:00", "end": "18:00"}]}]},
        {"standby": {"maxNodes": 2}, "limits": {"gpus": 16}},
        {"members": [{**MEMBER, "maxGpus": 16}], "limits": {"gpus": 16}},
    ],
)  # fmt: skip
def test_what_agrees_is_no_warning(tmp_path: Path, spec: dict[str, Any]) -> None:
    assert warnings(tmp_path, a_pool(**spec)) == []
