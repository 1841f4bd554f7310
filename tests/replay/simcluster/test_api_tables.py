"""Tables over HTTP, which `kubectl get` prints. They hold for a real API server as well, as those of `test_api` do."""

import json
from typing import Any

import pytest

from tests.replay.simcluster.conftest import Server
from tests.replay.simcluster.test_api import DEPLOYMENT, JOBS, PODS, POLICIES

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
KUBECTL = f"{TABLE},application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"


async def table(api: Server, path: str) -> Any:
    async with api.http.get(api.url + path, headers={"Accept": KUBECTL}) as response:
        assert response.status == 200
        return await response.json()


@pytest.mark.parametrize("path", [POLICIES, f"{POLICIES}/llm"])
async def test_a_policy_is_a_row_with_the_columns_of_its_kind(api: Server, path: str) -> None:
    found = await table(api, path)
    assert (found["kind"], found["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    wide = {column["name"] for column in found["columnDefinitions"] if column["priority"]}
    assert wide == {"Demand", "Waiting", "Message"}
    [row] = found["rows"]
    cells = {column["name"]: cell for column, cell in zip(found["columnDefinitions"], row["cells"], strict=True)}
    assert [*cells][:6] == ["Name", "Mode", "Target", "Min", "Max", "Current"]
    assert (cells["Name"], cells["Target"], cells["Max"], cells["Mode"], cells["Min"]) == ("llm", "llm", 8, "Active", 1)
    assert cells["Age"][-1] in "smhd"
    assert (row["object"]["kind"], row["object"]["metadata"]["name"]) == ("PartialObjectMetadata", "llm")


@pytest.mark.parametrize("path", [PODS, JOBS, DEPLOYMENT, "/api/v1/namespaces/serving/events"])
async def test_every_resource_can_be_a_table(api: Server, path: str) -> None:
    names = {column["name"] for column in (await table(api, path))["columnDefinitions"]}
    assert names & {"Age", "Last Seen"}


async def test_a_watch_gives_tables_too(api: Server) -> None:
    query = "watch=1&timeoutSeconds=1"
    async with api.http.get(f"{api.url}{POLICIES}?{query}", headers={"Accept": KUBECTL}) as response:
        event = json.loads(await response.content.readline())
    assert (event["type"], event["object"]["kind"]) == ("ADDED", "Table")
    assert event["object"]["rows"][0]["cells"][0] == "llm"
