"""The API server, with the policies, their Deployments and pods, and a Prometheus with their history.

The API is the simulated cluster's own. What it does not do: run controllers (no Deployment ever scales), answer any query of
Prometheus but those for history.
"""

import asyncio
import functools
import math
import sys
import time
from typing import Any

from aiohttp import web

from benchmarks.live import child, fleet
from crds.kinds import SCALING_POLICY
from crds.notation.timestamps import timestamp
from crds.structural import defaulted
from crds.v1alpha1.resource import API_VERSION
from crds.workload import Workload
from policies import series
from replay.sim.views import Phase, PodView
from replay.simcluster import failures, objects, promql
from replay.simcluster.admission import Admission
from replay.simcluster.api import Api
from replay.simcluster.resources import DEPLOYMENTS, JOBS, PODS, SCALING_POLICIES, Json
from replay.simcluster.server import Server
from replay.simcluster.store import Store

CREATED_SECONDS = time.time() - 86_400.0


class Cluster:
    """The backend of the API: objects are stored, and nothing follows from it."""

    def __init__(self, known: fleet.Fleet, pods_port: int) -> None:
        self.store = Store()
        self.calls = 0
        self._admission = Admission(self.store, self.now)
        self._pods_port = pods_port
        for number, (namespace, name) in enumerate(known.names):
            self._put(namespace, name, known.pods_of(number))

    def _put(self, namespace: str, name: str, pods: range) -> None:
        raw = {
            "apiVersion": API_VERSION,
            "kind": SCALING_POLICY.name,
            "metadata": {
                "namespace": namespace,
                "name": name,
                "uid": objects.uid(SCALING_POLICY.name, namespace, name),
                "generation": 1,
                "creationTimestamp": timestamp(CREATED_SECONDS),
            },
            "spec": {
                "target": {"name": name},
                "maxReplicas": 4 * len(pods) + 1,
                "profile": "8b-l4",
                "metrics": {"ports": [self._pods_port]},
            },
        }
        workload = SCALING_POLICY.resolve(raw)
        assert isinstance(workload, Workload), workload
        spec = defaulted(raw["spec"], SCALING_POLICY.schema["properties"]["spec"])
        self.store.put(SCALING_POLICIES, {**raw, "spec": spec})
        deployment = objects.deployment(workload, CREATED_SECONDS)
        views = [self._view(name, pod) for pod in pods]
        deployment = self.store.put(DEPLOYMENTS, objects.with_replicas(deployment, len(pods), views))
        for pod, view in zip(pods, views, strict=True):
            self.store.put(PODS, objects.replica(deployment, view, fleet.address(pod)))

    def _view(self, name: str, pod: int) -> PodView:
        at = CREATED_SECONDS
        return PodView(
            f"{name}-7d9c6b5f4-{fleet.identifier(pod)}",
            at,
            at + 1,
            at + 60,
            at + 61,
            at + 120,
            None,
            f"node-{pod}",
            Phase.SERVING,
        )

    def now(self) -> float:
        return time.time()

    def sync(self) -> None:
        """Called at each request."""
        self.calls += 1

    def create_job(self, namespace: str, body: Json) -> Json:
        return self._admission.job(namespace, body)

    def create_event(self, namespace: str, body: Json) -> Json:
        return self._admission.event(namespace, body)

    def delete_job(self, namespace: str, name: str) -> None:
        self.store.remove(JOBS, namespace, name)

    def delete_policy(self, namespace: str, name: str) -> None:
        self.store.remove(SCALING_POLICIES, namespace, name)

    def scale(self, namespace: str, name: str, replicas: int) -> None:
        raise failures.method_not_allowed()


class Prometheus:
    """Answers the queries for history as one that has `days` of it: a day's wave, one series, the same for every policy."""

    def __init__(self, days: float) -> None:
        self._days = days
        self.queries = 0

    def application(self) -> web.Application:
        served = web.Application(client_max_size=2**20)
        for method in ("GET", "POST"):
            served.router.add_route(method, "/api/v1/query_range", self._ranged)
            served.router.add_route(method, "/api/v1/query", self._instant)
        return served

    async def _instant(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": []}})

    async def _ranged(self, request: web.Request) -> web.Response:
        self.queries += 1
        asked = {**request.query, **{name: str(value) for name, value in (await request.post()).items()}}
        start, end = float(asked["start"]), float(asked["end"])
        step = promql.duration(asked["step"]) or 60.0
        found = ranged(
            height(asked["query"]), max(start, time.time() - self._days * 86_400.0) // step * step, end, step
        )
        return web.Response(body=found, content_type="application/json")


def height(query: str) -> float:
    """The mean of what a query asks for."""
    if "count_over_time" in query:
        return series.COUNTED_SECONDS / 15.0
    heights = {
        series.RUNNING: 60.0,
        series.WAITING: 0.0,
        series.FINISHED: 5.0,
        series.PROMPT_TOKENS: 2500.0,
        series.GENERATION_TOKENS: 1000.0,
    }
    return next((mean for family, mean in heights.items() if family in query), 0.0)


@functools.lru_cache(256)
def ranged(mean: float, start: float, end: float, step: float) -> bytes:
    """The answer to `query_range`. 40 for the scrapes in ten minutes does not swing."""
    swing = 0.0 if mean == series.COUNTED_SECONDS / 15.0 else 0.5
    turns = 2.0 * math.pi / 86_400.0
    times = (start + step * n for n in range(int((end - start) / step) + 1))
    points = ",".join(f'[{at:.3f},"{mean * (1.0 + swing * math.sin(turns * at)):.4f}"]' for at in times)
    result = f'[{{"metric":{{}},"values":[{points}]}}]' if points else "[]"
    return f'{{"status":"success","data":{{"resultType":"matrix","result":{result}}}}}'.encode()


async def main() -> None:
    policies, pods, days, pods_port = sys.argv[1:]
    cluster, prometheus = Cluster(fleet.Fleet(int(policies), int(pods)), int(pods_port)), Prometheus(float(days))
    api = Server(Api(cluster.store, cluster, dict).application(), 0)
    past = Server(prometheus.application(), 0)

    async def start() -> dict[str, str]:
        return {"api_url": await api.start(), "prometheus_url": await past.start()}

    def figures() -> dict[str, Any]:
        return {"calls": cluster.calls, "queries": prometheus.queries}

    await child.serve(start, figures)


if __name__ == "__main__":
    asyncio.run(main())
