"""The control API: put, read, break and delete workloads. Refusals are JSON: {"error": ...}."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from aiohttp import web

from autoscaler.clock import Clock
from replay.simcluster.network import NetworkError
from tests.e2e.standin.disk import Machine
from tests.e2e.standin.kubelet import Kubelet
from tests.e2e.standin.spec import BadRequestError, Faults, ServiceSpec, read
from tests.e2e.standin.workloads import Workload, Workloads

WORKLOAD = "/workloads/{namespace}/{name}"


class UnknownServiceError(LookupError):
    """No such workload exists."""


class Control:
    """The handlers."""

    def __init__(self, workloads: Workloads, kubelet: Kubelet, clock: Clock) -> None:
        self._services, self._kubelet, self._clock = workloads, kubelet, clock

    def application(self) -> web.Application:
        """The aiohttp application."""
        application = web.Application(middlewares=[_refusals])
        application.add_routes(
            [
                web.get("/healthz", self._health),
                web.get("/workloads", self._list),
                web.put(WORKLOAD, self._put),
                web.get(WORKLOAD, self._get),
                web.delete(WORKLOAD, self._delete),
                web.put(f"{WORKLOAD}/faults", self._set_fault),
            ]
        )
        return application

    async def _health(self, _: web.Request) -> web.Response:
        """200 once pods and nodes are known and while the API server answers, else 503."""
        return web.json_response({"synced": self._kubelet.synced}, status=200 if self._kubelet.synced else 503)

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response(self._services.names())

    async def _put(self, request: web.Request) -> web.Response:
        spec = read(ServiceSpec, await _body(request))
        workload = await self._services.put(request.match_info["namespace"], request.match_info["name"], spec)
        self._kubelet.reattach()
        return web.json_response({"started_seconds": workload.fleet.started_seconds})

    async def _get(self, request: web.Request) -> web.Response:
        workload, now_seconds = self._known(request), self._clock.now()
        return web.json_response(
            {
                "now_seconds": now_seconds,
                "started_seconds": workload.fleet.started_seconds,
                "score": workload.fleet.score(now_seconds),
                "pods": {name: asdict(times) for name, times in workload.times.items()},
                "nodes": {machine.name: _node(machine, workload) for machine in self._kubelet.machines},
            }
        )

    async def _delete(self, request: web.Request) -> web.Response:
        workload = self._known(request)
        self._services.drop(workload.namespace, workload.name)
        self._kubelet.reattach()
        return web.json_response({})

    async def _set_fault(self, request: web.Request) -> web.Response:
        workload = self._known(request)
        faults = read(Faults, await _body(request))
        workload.set_fault(faults.metrics)
        workload.pulls = faults.pulls
        return web.json_response(faults.model_dump())

    def _known(self, request: web.Request) -> Workload:
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        workload = self._services.get(namespace, name)
        if workload is None:
            raise UnknownServiceError(f"no workload {namespace}/{name}; known: {self._services.names()}")
        return workload


def _node(machine: Machine, workload: Workload) -> dict[str, Any]:
    return {
        "images": machine.disk.images,
        "disk": machine.disk.items,
        "weights": workload.weights in machine.disk,
        "gpus": machine.gpus,
        "created": machine.created_seconds,
        "ready": machine.ready_seconds,
        "gpu_ready": machine.gpu_seconds,
        "gone": machine.gone_seconds,
    }


async def _body(request: web.Request) -> Any:
    try:
        return json.loads(await request.read())
    except ValueError as error:
        raise BadRequestError(f"the body is not JSON: {error}") from error


@web.middleware
async def _refusals(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except UnknownServiceError as error:
        return web.json_response({"error": str(error)}, status=404)
    except (BadRequestError, NetworkError) as error:
        return web.json_response({"error": str(error)}, status=400)
    except web.HTTPException as error:
        return web.json_response({"error": f"{request.method} {request.path}: {error.reason}"}, status=error.status)
