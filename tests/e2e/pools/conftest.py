"""A sandbox for each test of a pool."""

from collections.abc import Iterator

import pytest
import requests

from tests.e2e.harness import Cluster
from tests.e2e.pools.sandbox import Sandbox


@pytest.fixture
def sandbox(cluster: Cluster, namespace: str) -> Iterator[Sandbox]:
    """The namespace's NodePools and, once the test has applied it, its GPUPool; all go after the test."""
    own = Sandbox(cluster, namespace)
    manifests = own.node_pools()
    cluster.api.apply(*manifests)
    yield own
    for workload in requests.get(f"{cluster.standin_url}/workloads", timeout=10).json():
        if workload.startswith(f"{namespace}/"):
            requests.delete(f"{cluster.standin_url}/workloads/{workload}", timeout=10)
    cluster.api.delete(f"/apis/outrider.dev/v1alpha1/gpupools/{namespace}")
    for each in reversed(manifests):
        cluster.api.delete(cluster.api.path(each))
