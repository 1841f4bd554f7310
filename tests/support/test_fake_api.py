"""The fake API server keeps the contract of a real one, but for what controllers do."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from crds.files import one_policy
from replay.simcluster import objects
from replay.simcluster.policy import stored as stored_policy
from replay.simcluster.resources import DEPLOYMENTS, PODS, SCALING_POLICIES
from tests.replay.simcluster.conftest import Server, policy_file  # noqa: F401 - a fixture
from tests.replay.simcluster.fake_world import START, FakeWorld
from tests.replay.simcluster.test_api import (  # noqa: F401 - they are the tests
    test_a_body_that_is_no_job,
    test_a_job_that_cannot_be,
    test_a_list_from_the_future_gets_a_timeout,
    test_a_selector_that_cannot_be_read,
    test_a_watch_ends_in_time_after_a_bookmark_of_what_it_did_not_show,
    test_a_watch_without_a_version_opens_with_what_is_there,
    test_absent_is_a_status,
    test_an_absent_group_is_plain_text,
    test_an_owner_must_be_whole,
    test_discovery_gives_plural_kind_and_subresources,
    test_events_are_kept,
    test_not_found_names_the_object,
    test_only_the_status_is_patched_through_status,
    test_patches_keep_the_rules,
    test_pods_by_label,
    test_verbs_that_are_not_served,
)
from tests.support.fake_api import FakeApi, serving


@pytest.fixture
async def api(policy_file: Path) -> AsyncIterator[Server]:  # noqa: F811
    fake, world = FakeApi(lambda: START), FakeWorld()
    stored, workload = stored_policy(one_policy(str(policy_file)), START)
    deployment = objects.with_replicas(objects.deployment(workload, START), 1, world.pods())
    fake.store.put(SCALING_POLICIES, stored)
    fake.store.put(DEPLOYMENTS, deployment)
    for view in world.pods():
        fake.store.put(PODS, objects.replica(deployment, view, "127.77.0.2"))
    async with serving(fake) as url, aiohttp.ClientSession() as http:
        yield Server(url, http)
